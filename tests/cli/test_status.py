"""What `farebox status` warns about."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from taken_in import Door, applied, event

from farebox.analytics.query import Measures
from farebox.cli.daemon.status import configuration, export_line, mistakes, otlp_line, render, status
from farebox.cli.options import Place
from farebox.cli.reports.json_shapes import StatusAnswer
from farebox.config import read_layers
from farebox.home import Home
from farebox.server.api.coverage.recording import Recording, Unmetered
from farebox.telemetry.otlp_out.exported import Exported


def shown(recording: Recording) -> str:
    answer = StatusAnswer(
        version="1",
        home="/h",
        config=None,
        processes=[],
        calls=0,
        last_call_at=None,
        health={},
        recording=recording,
    )
    return render(answer, Measures())


def test_a_proxy_that_does_not_record_is_told() -> None:
    told = shown(Recording(state="lost", reason="no space left", lost_exchanges=2))
    assert "! the proxy does not record: no space left (2 calls lost since it started)" in told
    assert "record:" not in shown(Recording(state="ok"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home, asked about in a directory that has a configuration of its own."""
    home = Home(tmp_path / "home")
    home.prepare()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "farebox.yaml").write_text("durability: power\n")
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("FAREBOX_CONFIG", raising=False)
    return home


@pytest.mark.parametrize("file", ["/started/with/farebox.yaml", None])
def test_status_names_the_configuration_that_the_running_farebox_uses(home: Home, file: str | None) -> None:
    proxy = {"pid": os.getpid(), "host": "127.0.0.1", "port": 1, "config": file}
    (home.run / "proxy.json").write_bytes(msgspec.json.encode(proxy))
    here = str(Path.cwd() / "farebox.yaml")
    assert configuration(home, Place()) == (file, here)


def test_status_counts_mistakes_of_the_homes_file_and_not_of_the_directory_it_is_typed_in(home: Home) -> None:
    Path("farebox.yaml").write_text("nothing: known\n")
    assert mistakes(home, read_layers(home)) == 0
    home.config.write_text("durability: pwoer\nlisten: everywhere\n")
    assert mistakes(home, read_layers(home)) == 2


def test_without_a_running_farebox_status_names_the_file_it_would_read(home: Home) -> None:
    assert configuration(home, Place()) == (str(Path.cwd() / "farebox.yaml"), None)
    assert configuration(home, Place(config=Path("/other.yaml"))) == ("/other.yaml", None)


def test_what_is_tunnelled_and_not_metered_is_told() -> None:
    found = Unmetered("api.openai.com", "curl", "", "no_authority", 1, 1)
    told = shown(Recording(state="ok", unmetered=[found]))
    assert "! not metered: 1 connection of curl to api.openai.com: there is no certificate authority" in told


def test_status_shows_what_was_sent_here_and_what_a_senders_full_spool_refused(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    door = Door(home)
    loss = {"id": "l-1", "source": "sdk:m:app.py", "type": "loss", "records": 7, "exchanges": 3}
    same = event()
    door.send(same, same, {**same, "model": "other"}, {"id": "x"}, loss)
    door.close()
    applied(home)
    place = Place(home=home.path)
    assert status(place=place) == 0
    told = capsys.readouterr().out
    assert "collector: 2 accepted, 1 sent again, 1 refused as conflicts, 1 refused as invalid" in told
    assert (
        "! the full spool of sdk:m:app.py refused 7 records, 3 calls among them: totals are too low" in told
    )
    assert "lost record" not in told
    assert status(place=place, as_json=True) == 0
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert answer["spool_refused"] == [{"source": "sdk:m:app.py", "records": 7, "calls": 3}]
    assert answer["collector"]["senders"]["tok1"]["invalid"] == 1


def test_what_otlp_requests_held_is_named_in_one_line() -> None:
    found = {"calls": 1204, "parent_totals": 310, "calls_without_usage": 12, "malformed": 0}
    assert otlp_line(found) == "OTLP: 1,204 calls, 310 parent totals, 12 calls without usage"


def test_what_an_endpoint_was_sent_and_why_nothing_more_is_said_in_one_line() -> None:
    found = Exported(endpoint="https://otel.example", sent=3, refused=2, failing="no", failing_since="noon")
    said = "OTLP to https://otel.example: 3 calls sent, 2 refused, failing since noon: no"
    assert export_line(found) == said
