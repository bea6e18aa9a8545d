"""The section `billing:` of the home's `farebox.yaml`: what invoices say besides what is charged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farebox.config.configuration import BillingConfig, Config, SellerConfig
from farebox.errors import Finding
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.yamltext import Node

BILLING_EXAMPLE = (
    "billing:\n  seller:\n    name: Example Labs GmbH\n    address: |-\n"
    "      Beispielweg 1\n      10115 Berlin\n"
    "    tax_id: DE123456789\n    email: billing@example.com\n    logo: logo.png\n"
    "  payment_terms: Payable within 14 days without deduction.\n  footer: Example Labs GmbH, HRB 12345\n"
)
TEXT_MAX = 2_000
LOGO_BYTES_MAX = 1_000_000
IMAGE_STARTS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
"""How the images begin that an invoice may show, and what each is."""

_SELLER = ["name", "address", "tax_id", "email", "logo"]
_KEYS = ["seller", "payment_terms", "footer", "paper", "fonts"]
_PAPERS = ["a4", "letter"]
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")


def is_mailbox(text: str) -> bool:
    """Return whether mail can be sent to `text`: one ASCII address and nothing else."""
    return len(text) <= 254 and _MAILBOX.fullmatch(text) is not None


def read_billing(node: Node, config: Config, findings: list[Finding]) -> None:
    """Read the section; it stands in the home's file only, see `Section.home_only`."""
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping with {', '.join(_KEYS)}"))
        return
    seller = SellerConfig()
    named = node.get("seller")
    if named is not None and named.kind == "mapping":
        seller = SellerConfig(**_texts(named, _SELLER, findings))
    elif named is not None:
        findings.append(named.finding(f"a mapping with {', '.join(_SELLER)}"))
    texts: dict[str, Any] = _texts(node, _KEYS, findings)
    config.billing = BillingConfig(seller=seller, **texts)


def _texts(node: Node, known: list[str], findings: list[Finding]) -> dict[str, str]:
    """Return the texts of a mapping that are usable; `seller` is read by the caller."""
    texts: dict[str, str] = {}
    for key, entry in node.items():
        if key not in known:
            hint = f"one of {', '.join(known)}{did_you_mean(key, known)}"
            findings.append(entry.finding(hint, "an unknown key"))
        elif key == "seller":
            continue
        elif entry.kind != "text" or len(str(entry.value)) > TEXT_MAX:
            findings.append(entry.finding(f"text of at most {TEXT_MAX:,} characters"))
        elif (usable := _usable(key, entry, findings)) is not None:
            texts[key] = usable
    return texts


def _usable(key: str, entry: Node, findings: list[Finding]) -> str | None:
    text = str(entry.value)
    where = Path(entry.file).parent / Path(text).expanduser()
    wrong = ""
    if key == "email" and not is_mailbox(text):
        wrong = "an e-mail address, as in `billing@example.com`"
    elif key == "paper" and text not in _PAPERS:
        wrong = " or ".join(_PAPERS)
    elif key == "fonts":
        wrong = "" if where.is_dir() else "a folder that is there"
        text = str(where)
    elif key == "logo":
        wrong = logo_problem(where)
        text = str(where)
    if wrong:
        findings.append(entry.finding(wrong))
        return None
    return text


def logo_problem(file: Path) -> str:
    """Return what was expected in the place of a file that cannot be a logo, nothing for one that can."""
    try:
        with file.open("rb") as opened:
            start = opened.read(8)
        size = file.stat().st_size
    except OSError:
        return "a file that is there"
    if not any(start.startswith(each) for each in IMAGE_STARTS):
        return "a PNG or JPEG file"
    return "" if size <= LOGO_BYTES_MAX else f"a file of at most {LOGO_BYTES_MAX:,} bytes"
