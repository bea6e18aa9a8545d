"""The user's own price files: `prices.d/*.yaml` in the state directory.

Commands write here, so that `farebox.yaml` and its comments stay as their author left them. Each file
has the same `pricing:` (and `contracts:`) as `farebox.yaml`; all of them count together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from farebox.errors import Finding
from farebox.home import check_private, replace_private
from farebox.yamltext import Node, parse, read

SECTIONS = ("pricing", "contracts")


def folder_of(state: Path) -> Path:
    """Return the folder of a state directory."""
    return state / "prices.d"


def price_files(state: Path) -> list[Path]:
    """Return the files in the order in which they are read."""
    return sorted(path for path in folder_of(state).glob("*.yaml") if not path.name.startswith("."))


def read_folder(state: Path) -> tuple[dict[str, list[Node]], list[Finding]]:
    """Return every file's sections by name, and what is wrong with the files as such."""
    sections: dict[str, list[Node]] = {name: [] for name in SECTIONS}
    findings: list[Finding] = []
    for path in price_files(state):
        try:
            root, problems = read(path)
        except OSError as error:
            findings.append(Finding(str(path), 0, "file", error.strerror or "an error", "a readable file"))
            continue
        findings.extend(problems)
        if root is None:
            continue
        if root.kind != "mapping":
            findings.append(root.finding("a mapping with `pricing:`"))
        for key, node in root.items():
            if key in sections:
                sections[key].append(node)
            else:
                findings.append(node.finding(f"one of {', '.join(SECTIONS)}", f"unknown key {key!r}"))
    return sections, findings


def write_prices(path: Path, pricing: Mapping[str, list[dict[str, Any]]], comment: str) -> None:
    """Write a file of prices in one step, every figure as quoted text."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(path.parent)
    lines = [*(f"# {line}" for line in comment.splitlines()), "pricing:" if pricing else "pricing: {}"]
    for key, entries in pricing.items():
        lines.append(f"  {json.dumps(key)}:")
        lines += [f"    - {json.dumps(entry, ensure_ascii=False)}" for entry in entries]
    replace_private(path, ("\n".join(lines) + "\n").encode())


def entries_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what a file written by `write_prices` says; nothing where there is none."""
    if not path.is_file():
        return {}
    root, _ = parse(path.read_text(encoding="utf-8"), str(path))
    section = root.get("pricing") if root is not None else None
    found: dict[str, list[dict[str, Any]]] = {}
    for key, node in section.items() if section is not None else ():
        plain = node.plain()
        found[key] = plain if isinstance(plain, list) else [plain]
    return found
