"""`farebox tokens`: shown once, kept as a hash, listed, revoked, in force at once."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from farebox.access.token_use import TokenUse
from farebox.access.tokens import PublishedTokens, looks_like_one
from farebox.cli.options import Place
from farebox.cli.tokens import create, list_tokens, revoke
from farebox.control.database import open_control
from farebox.control.schema import audit
from farebox.errors import UsageError
from farebox.snapshot import SnapshotReader

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(capsys: Output, name: str = "backend", **said: object) -> str:
    """Create a token and return its secret."""
    assert create(name, **{"scope": "client", **said}) == 0  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()[0]


def listed(capsys: Output, **said: object) -> list[dict[str, object]]:
    assert list_tokens(as_json=True, **said) == 0  # type: ignore[arg-type]
    return msgspec.json.decode(capsys.readouterr().out)["tokens"]


def test_a_token_is_shown_once_and_is_in_no_file(capsys: Output) -> None:
    secret = made(capsys, customer="acme", project="chat", expires="90d")
    assert looks_like_one(secret.encode()) and secret.startswith("fbx_client_")
    home = Place().state()
    for file in home.path.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file
    (token,) = listed(capsys)
    assert (token["name"], token["scope"], token["state"]) == ("backend", "client", "active")
    assert (token["customer"], token["project"], token["user"]) == ("acme", "chat", None)
    assert token["last_used_at"] is None and str(token["expires_at"]) > str(token["created_at"])
    list_tokens(revoked=True)
    assert secret not in capsys.readouterr().out


def test_the_list_names_each_token_with_whose_calls_it_makes_and_until_when(capsys: Output) -> None:
    made(capsys, customer="acme", user="ana", expires="90d")
    made(capsys, "looker", scope="read")
    list_tokens()
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "name"
    assert re.match(r"backend +client +customer acme, user ana +until \d{4}-\d\d-\d\d .*Z +never", rows[0])
    assert re.match(r"looker +read +in force +never", rows[1])


def test_who_follows_the_snapshot_knows_a_token_at_once_and_a_revoked_one_no_more(capsys: Output) -> None:
    secret = made(capsys, customer="acme").encode()
    reader = SnapshotReader(Place().state())
    token = PublishedTokens(reader).find(secret)
    assert token is not None and token.binding == {"customer": "acme"}
    assert revoke("backend") == 0
    assert reader.renew()
    assert PublishedTokens(reader).find(secret) is None
    capsys.readouterr()
    assert listed(capsys) == []
    (gone,) = listed(capsys, revoked=True)
    assert gone["state"] == "revoked"


def test_a_token_can_be_named_by_the_start_of_its_id(capsys: Output) -> None:
    made(capsys, "first")
    made(capsys, "second")
    first, second = listed(capsys)
    assert revoke(str(second["id"])) == 0
    capsys.readouterr()
    assert [each["id"] for each in listed(capsys)] == [first["id"]]


def test_a_name_is_free_again_when_its_token_is_revoked(capsys: Output) -> None:
    made(capsys)
    with pytest.raises(UsageError, match="there is a token called backend"):
        made(capsys)
    revoke("backend")
    made(capsys)
    revoke("backend")
    with pytest.raises(UsageError):
        revoke("backend")


def test_what_is_done_to_tokens_is_in_the_audit_without_a_secret(capsys: Output) -> None:
    secret = made(capsys, customer="acme")
    revoke("backend")
    with open_control(Place().state()).reading() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.at)).all()
    assert [row.action for row in rows] == ["token.create", "token.revoke"]
    assert "acme" in rows[0].detail
    assert all(secret not in repr(row) and "fbx_" not in repr(row) for row in rows)


def test_when_a_token_was_last_used_is_read_from_every_process_and_kept(capsys: Output) -> None:
    made(capsys)
    home = Place().state()
    (token,) = listed(capsys)
    use = TokenUse(home, "proxy")
    use.note(str(token["id"]))
    use.write()
    (seen,) = listed(capsys)
    assert seen["last_used_at"] is not None
    made(capsys, "another")  # a writer of the database keeps it there
    for file in home.run.glob("token-use.*"):
        file.unlink()
    assert listed(capsys)[0]["last_used_at"] == seen["last_used_at"]


@pytest.mark.parametrize(
    "said",
    [
        {"scope": "read", "customer": "acme"},
        {"expires": "90"},
        {"expires": "0d"},
        {"expires": "99999d"},
        {"customer": ""},
        {"user": "x" * 257},
    ],
)
def test_what_cannot_be_meant_is_refused(capsys: Output, said: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        made(capsys, **said)
    assert listed(capsys, revoked=True) == []


def test_an_expired_token_is_not_listed_as_one_in_force(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farebox.clock import now_ns

    made(capsys, expires="1h")
    monkeypatch.setattr("farebox.cli.tokens.now_ns", lambda: now_ns() + 3601 * 10**9)
    assert listed(capsys) == []
    assert listed(capsys, revoked=True)[0]["state"] == "expired"


def test_listing_opens_no_database_where_there_is_none(capsys: Output) -> None:
    assert listed(capsys) == []
    assert not Place().state().control.exists()


def test_a_token_for_ingesting_can_be_bound_to_a_customer(capsys: Output) -> None:
    secret = made(capsys, "shop", scope="ingest", customer="acme")
    token = PublishedTokens(SnapshotReader(Place().state())).find(secret.encode())
    assert token is not None and (token.scope, token.binding) == ("ingest", {"customer": "acme"})
