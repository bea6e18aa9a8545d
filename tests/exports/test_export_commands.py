"""`farebox exports`: set, paused, tried, sent again, compared; the key is never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from handing_over import NAME, HandOver
from usage_receivers import KEY, Lago, served

from farebox.cli.app import app
from farebox.cli.exits import ANSWER_IS_NO, CONFIG, OK, guarded
from farebox.control.database import open_control
from farebox.control.schema import audit
from farebox.home import Home

METERS = {"output_tokens": "llm_output"}


@pytest.fixture
def over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HandOver]:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    home.prepare()
    monkeypatch.setenv("FAREBOX_HOME", str(home.path))
    monkeypatch.setenv("K", KEY)
    with served(Lago(lambda: 0.0)) as receiver:
        made = HandOver(home, "lago", receiver, meters=METERS, customers={"acme": "sub_1", "beta": "sub_2"})
        yield made
        made.close()


class Typed:
    """Types commands and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.status = 0

    def __call__(self, *words: str) -> str:
        def run() -> int:
            said = ["exports", *words]
            return app(said, exit_on_error=False, print_error=False, result_action="return_value")

        self.status = guarded(run)
        printed = self._capsys.readouterr()
        assert KEY not in printed.out + printed.err
        return printed.out + printed.err

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


def test_an_export_from_its_first_test_to_a_reconciled_day(over: HandOver, typed: Typed) -> None:
    assert "knows the key" in typed("test", NAME) and typed.status == OK
    assert over.theirs() == {}, "a test hands nothing over"
    over.receiver.unknown_customers = {"sub_2"}
    over.calls(2)
    over.calls(1, "beta")
    over.calls(1, "gamma")
    over.hand_over()
    (shown,) = typed.json("list")["exports"]
    assert (shown["events"]["taken"], shown["events"]["refused"], shown["events"]["held"]) == (1, 1, 1)
    assert (shown["seq"], shown["behind"], shown["origin"]) == (4, 0, over.receiver.url)
    printed = typed("status", NAME)
    assert "subscription_not_found" in printed and "gamma" in printed
    assert typed.json("reconcile", NAME)["agrees"] is False and typed.status == ANSWER_IS_NO
    over.receiver.unknown_customers = set()
    over.set(meters=METERS, customers={"acme": "sub_1", "beta": "sub_2", "gamma": "sub_3"})
    assert typed.json("replay", NAME)["events"] == 1
    over.hand_over()
    found = typed.json("reconcile", NAME)
    assert found["agrees"] is True and typed.status == OK
    assert {(day["customer"], day["record"], day["receiver"]) for day in found["days"]} == {
        ("acme", "10", "10"),
        ("beta", "5", "5"),
        ("gamma", "5", "5"),
    }
    # What the receiver lost, or was told by somebody else, shows as a difference of ours to the record.
    over.calls(1)
    with over.database.writing() as connection:
        from sqlalchemy import update

        from farebox.control.schema import usage_day

        connection.execute(update(usage_day).where(usage_day.c.customer == "acme").values(value=11))
    (wrong,) = [day for day in typed.json("reconcile", NAME)["days"] if day["difference"] != "0"]
    assert (wrong["customer"], wrong["difference"]) == ("acme", "-1")


def test_settings_by_command_are_checked_whole_and_written_in_the_audit(over: HandOver, typed: Typed) -> None:
    said = typed("add", "orb", "--to", "orb", "--key-env", "ORB", "--since", "soon", "--meter", "output=x")
    assert typed.status == CONFIG and "since" in said and "output_tokens" in said
    assert "orb" in typed("add", "orb", "--to", "orb", "--key-env", "ORB", "--customer", "acme=a-1")
    added = typed.json("status", "orb")["export"]
    assert (added["customers"], added["secret"], added["event"]) == (
        {"acme": "a-1"},
        "from env ORB",
        "llm_usage",
    )
    assert typed.json("pause", "orb")["export"]["state"] == "stopped"
    assert typed.json("resume", "orb")["export"]["state"] == "active"
    typed("test", "orb")
    assert typed.status == ANSWER_IS_NO, "there is no key"
    assert [each["name"] for each in typed.json("remove", "orb")["exports"]] == [NAME]
    with open_control(over.home).reading() as connection:
        actions = [row.action for row in connection.execute(audit.select()) if row.subject == "orb"]
    assert actions == ["export.put", "export.pause", "export.resume", "export.remove"]
    assert "no export 'orb'" in typed("status", "orb")
