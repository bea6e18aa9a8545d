"""`billing:` says what invoices print besides what is charged."""

from __future__ import annotations

from pathlib import Path

from farebox.config import read_layers
from farebox.config.billing_section import BILLING_EXAMPLE, is_mailbox
from farebox.config.configuration import BillingConfig
from farebox.home import Home

PNG = b"\x89PNG\r\n\x1a\n"


def read(home: Path, text: str) -> tuple[BillingConfig, list[str]]:
    home.mkdir(exist_ok=True)
    (home / "farebox.yaml").write_text(text)
    layers = read_layers(Home(home), prices=False)
    return layers.config.billing, [str(finding) for finding in layers.findings]


def test_the_example_is_read_with_its_logo_beside_the_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "logo.png").write_bytes(PNG)
    billing, findings = read(home, BILLING_EXAMPLE)
    assert not findings
    assert billing.seller.name == "Example Labs GmbH"
    assert billing.seller.address == "Beispielweg 1\n10115 Berlin"
    assert billing.seller.logo == str(home / "logo.png")
    assert billing.payment_terms == "Payable within 14 days without deduction."


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    _, findings = read(
        tmp_path / "home",
        "billing:\n"
        "  seller: {name: Labs, email: 'a@x.example, b@x.example', logo: none.png, vat: DE1}\n"
        "  paper: a5\n  fonts: nowhere\n  terms: x\n",
    )
    wanted = (
        "an e-mail address",
        "a file that is there",
        "one of name, address",
        "a4 or letter",
        "a folder",
        "terms",
    )
    assert len(findings) == len(wanted)
    for words in wanted:
        assert any(words in finding for finding in findings)


def test_a_mailbox_is_one_address_and_nothing_else() -> None:
    assert is_mailbox("billing@labs.example")
    for text in (
        "",
        "a",
        "a@b",
        "a@x.example\n",
        "a@x.example, b@x.example",
        "A <a@x.example>",
        "a b@x.example",
    ):
        assert not is_mailbox(text)
