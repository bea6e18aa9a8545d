"""`farebox stop-session` and `farebox stops`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farebox.cli.keys import label
from farebox.cli.options import Place
from farebox.cli.stops import lift, list_stops, stop_session
from farebox.errors import UsageError
from farebox.snapshot import read_snapshot


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def stopped() -> list[tuple[str, str, str]]:
    return [(each.dimension, each.value, each.reason) for each in read_snapshot(Place().state()).stops]


def test_a_session_a_key_and_a_process_are_stopped_until_they_are_lifted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    label("0123456789abcdef", "backend")
    assert stop_session("s 1", reason="runs away") == 0
    assert "farebox stops lift 's 1'" in capsys.readouterr().out
    stop_session(key="backend")
    stop_session(key="fedcba9876543210")
    stop_session(process=42)
    assert sorted(stopped()) == [
        ("key", "backend", ""),
        ("key", "fedcba9876543210", ""),
        ("process", "42", ""),
        ("session", "s 1", "runs away"),
    ]
    for which in ({"key": "backend"}, {"key": "fedcba9876543210"}, {"process": 42}):
        assert lift(yes=True, **which) == 0  # type: ignore[arg-type]
    assert lift("s 1", yes=True) == 0
    assert stopped() == []


def test_stopping_again_changes_the_reason_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    stop_session("s1", reason="first")
    stop_session("s1", reason="second")
    assert "stopped already" in capsys.readouterr().out
    assert stopped() == [("session", "s1", "second")]


def test_nothing_is_lifted_where_nobody_can_be_asked() -> None:
    stop_session("s1")
    with pytest.raises(UsageError, match="nothing was lifted"):
        lift("s1")
    assert stopped()


def test_what_is_not_stopped_is_told_the_nearest() -> None:
    stop_session("session-1")
    with pytest.raises(UsageError, match='session session-2 is not stopped; did you mean "session-1"'):
        lift("session-2", yes=True)


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ({}, "name one of"),
        ({"session": "a", "process": 1}, "name one of"),
        ({"session": " "}, "1 to 256 characters"),
        ({"session": "x" * 300}, "1 to 256 characters"),
        ({"process": -1}, "no number of a process"),
        ({"key": "bakend"}, 'did you mean "backend"'),
    ],
)
def test_what_cannot_be_stopped_is_told(which: dict[str, object], told: str) -> None:
    label("0123456789abcdef", "backend")
    session = which.pop("session", None)
    with pytest.raises(UsageError, match=told):
        stop_session(session, **which)  # type: ignore[arg-type]
    assert stopped() == []


@pytest.mark.parametrize("flag", ["session", "key", "reason"])
def test_an_api_key_is_refused_and_not_repeated_or_kept(flag: str) -> None:
    secret = "sk-proj-0123456789abcdef0123456789abcdef"
    given = {"session": None, flag: secret} if flag != "reason" else {"session": "s1", "reason": secret}
    session = given.pop("session")
    with pytest.raises(UsageError) as caught:
        stop_session(session, **given)  # type: ignore[arg-type]
    home = Place().state()
    assert secret not in str(caught.value)
    assert not home.control.exists() or secret.encode() not in home.control.read_bytes()


def test_the_list_has_who_stopped_what_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_stops() == 0
    assert "Nothing is stopped" in capsys.readouterr().out
    stop_session("s1", reason="runs away")
    capsys.readouterr()
    list_stops(as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["stops"]
    assert (found["dimension"], found["value"], found["reason"]) == ("session", "s1", "runs away")
    assert found["by"].startswith("uid:")
