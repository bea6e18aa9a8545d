"""`farebox portal`: a link is shown once, listed without its secret, and taken back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from farebox.access.tokens import hash_of
from farebox.cli.options import Place
from farebox.cli.portal import list_links, make_link, revoke
from farebox.errors import UsageError
from farebox.snapshot import read_snapshot

Output = pytest.CaptureFixture[str]
CUSTOMERS = "customers:\n  acme: {currency: USD}\n  globex: {currency: USD}\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Place().state().config.write_text(f"portal: {{public_url: https://usage.example.com}}\n{CUSTOMERS}")


def made(capsys: Output, customer: str = "acme") -> tuple[str, str]:
    """Make a link and return its secret and its id."""
    assert make_link(customer, as_json=True) == 0
    said = msgspec.json.decode(capsys.readouterr().out)
    base, _, secret = said["url"].partition("#")
    assert base == "https://usage.example.com/"
    return secret, said["link"]["id"]


def listed(capsys: Output, **said: object) -> list[tuple[str, str]]:
    assert list_links(as_json=True, **said) == 0  # type: ignore[arg-type]
    links = msgspec.json.decode(capsys.readouterr().out)["links"]
    return [(each["customer"], each["state"]) for each in links]


def test_a_link_is_shown_once_and_is_in_no_file(capsys: Output) -> None:
    secret, _ = made(capsys)
    home = Place().state()
    for file in home.path.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file
    token = read_snapshot(home).tokens[hash_of(secret.encode())]
    assert (token.scope, token.binding) == ("portal", {"customer": "acme"})
    assert token.expires_at is not None
    list_links(ended=True)
    assert secret not in capsys.readouterr().out


def test_links_are_listed_and_taken_back_one_by_one_or_all_of_a_customer(capsys: Output) -> None:
    _, first = made(capsys)
    made(capsys)
    made(capsys, "globex")
    assert sorted(listed(capsys)) == [("acme", "active"), ("acme", "active"), ("globex", "active")]
    assert revoke(first) == 0
    assert first in capsys.readouterr().out
    assert revoke(customer="acme", as_json=True) == 0
    assert len(msgspec.json.decode(capsys.readouterr().out)["links"]) == 1
    assert listed(capsys) == [("globex", "active")]
    assert listed(capsys, customer="acme") == []
    assert listed(capsys, customer="acme", ended=True) == [("acme", "revoked")] * 2


def test_what_makes_no_sense_is_said(capsys: Output) -> None:
    with pytest.raises(UsageError, match='did you mean "acme"'):
        make_link("acmee")
    with pytest.raises(UsageError, match="a duration of 1m to"):
        make_link("acme", expires="soon")
    for id, customer in ((None, None), ("x", "acme")):
        with pytest.raises(UsageError, match="say which"):
            revoke(id, customer=customer)
    for wrong in ("nothing", ""):
        with pytest.raises(UsageError, match="there is not one link in force"):
            revoke(wrong)
    Place().state().config.write_text(CUSTOMERS)
    with pytest.raises(UsageError, match="there is no portal"):
        make_link("acme")
