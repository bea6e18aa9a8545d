"""What `channels:` and `exports:` have in common: entries by name, each of one form, with secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from farebox.config.webhooks_section import RECEIVER_NAME
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.config.secret_reference import SecretReference
    from farebox.yamltext import Node

_Form = TypeVar("_Form", bound=str)
_Read = TypeVar("_Read")


def read_entries(
    node: Node,
    read: Callable[[str, Node, list[Finding]], _Read | None],
    findings: list[Finding],
    *,
    example: str,
    taken: Collection[str],
    elsewhere: str,
) -> list[_Read] | None:
    """Return what `read` makes of each entry that has a usable name; None where there are no entries at all.

    `taken` are the names in the sections that `elsewhere` says.
    """
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping of names, as in `{example}`"))
        return None
    found: list[_Read] = []
    for name, entry in node.items():
        if not RECEIVER_NAME.fullmatch(name):
            findings.append(entry.finding("a name of a-z, 0-9, `-` and `_`", repr(name)))
            continue
        if name in taken:
            findings.append(entry.finding("another name", f"{name!r}, which {elsewhere} names, too"))
        each = read(name, entry, findings)
        if each is not None:
            found.append(each)
    return found


def form_of(entry: Node, forms: Mapping[_Form, Sequence[str]], findings: list[Finding]) -> _Form | None:
    """Return the one form that an entry has; `forms` says what may stand beside each form's own key."""
    said = [form for form in forms if entry.get(form) is not None]
    if len(said) != 1:
        found = " and ".join(said) if said else entry.kind if entry.kind != "mapping" else "none of them"
        findings.append(entry.finding(f"a mapping with one of {', '.join(forms)}", found))
        return None
    form = said[0]
    known = [form, *forms[form]]
    for key, node in entry.items():
        if key not in known:
            hint = f"{form}, which may have {', '.join(forms[form])}{did_you_mean(key, known)}"
            findings.append(node.finding(hint, "an unknown key"))
    return form


def secret_of(node: Node, findings: list[Finding]) -> SecretReference | None:
    """Return the reference to a secret; None, with a finding, for anything else."""
    from farebox.config.secret_reference import read_secret
    from farebox.home import Home

    return read_secret(node, Home(Path(node.file).parent), findings)
