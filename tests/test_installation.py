"""What a user gets from `pip install farebox` and `pip install 'farebox[standard]'`, each on its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.installations import Installation, environment

from farebox import __version__

MEGABYTE = 1_000_000

HEAVY = ("sqlalchemy", "duckdb", "starlette", "cryptography", "rich")

COMMANDS = (
    "alembic", "apsw", "brotli", "cryptography", "cyclopts", "duckdb", "httptools", "rich", "sqlalchemy",
    "starlette", "uvicorn", "zstandard",
)  # fmt: skip

APPLICATION = """
import sys
from farebox import catalog, home
from farebox.clock import now_ns, uuid7
from farebox.config import load_config
from farebox.journal import records
from farebox.journal.writer import JournalWriter
from farebox.pricing import load_book
from farebox.wire.meter import Meter

state = home.locate()
state.prepare()
config = load_config(state)  # the file is YAML
load_book(config.pricing)
journal = JournalWriter(state.journal)
provider = catalog.load(config.providers).provider("my-gateway")
endpoint = provider.endpoint("POST", "/v1/chat/completions")
meter = Meter(endpoint, "/v1/chat/completions", "", [])
meter.request_body(b'{"model": "gpt-4o"}')
meter.request_end()
meter.response_head(200, [(b"content-type", b"application/json")])
meter.response_body(b'{"model": "gpt-4o", "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}')
origin = {
    "event_id": uuid7(now_ns()), "source": journal.source, "witness": "sdk", "occurred_at_ns": now_ns(),
    "provider": "my-gateway", "surface": endpoint.surface, "path": "/v1/chat/completions",
}
journal.append(records.INTENT, records.encode(records.Intent(**origin)))
done = records.Done(
    **origin, ended_at_ns=now_ns(), outcome="completed", status=200, extraction=meter.finish("completed")
)
journal.append(records.DONE, records.encode(done))
journal.close()
print(*sys.modules)
"""
"""An application that meters one call of its own, as the SDK does it."""


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("base"), wheel, "requirements-base.lock")


def test_the_base_is_at_most_six_packages_of_fifteen_megabytes(base: Installation) -> None:
    sizes = f"{base.bytes / MEGABYTE:.1f} MB, Farebox itself {base.own_bytes / MEGABYTE:.1f} MB"
    print(f"{len(base.packages)} packages of {sizes}")
    assert len(base.packages) <= 6
    assert base.bytes <= 15 * MEGABYTE
    assert base.own_bytes <= 18 * MEGABYTE


def test_both_hold_all_that_the_wheel_requires(base: Installation, standard: Installation) -> None:
    base.run("-m", "pip", "check")
    standard.run("-m", "pip", "check")
    wanted = "import importlib.metadata as m; print('\\n'.join(m.requires('farebox')))"
    extra = [line for line in standard.run("-c", wanted).stdout.splitlines() if "extra == 'standard'" in line]
    assert len(extra) >= len(COMMANDS)
    standard.run("-c", f"import {', '.join(COMMANDS)}")


@pytest.mark.parametrize("kind", ["base", "standard"])
def test_importing_farebox_loads_nothing_heavy(kind: str, request: pytest.FixtureRequest) -> None:
    installed: Installation = request.getfixturevalue(kind)
    loaded = installed.run("-c", "import farebox, sys; print(*sys.modules)").stdout.split()
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


@pytest.mark.parametrize("kind", ["base", "standard"])
def test_the_command_says_its_version(kind: str, request: pytest.FixtureRequest) -> None:
    installed: Installation = request.getfixturevalue(kind)
    done = subprocess.run([installed.farebox, "--version"], capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stdout) == (0, f"farebox {__version__}\n")


@pytest.mark.parametrize("words", ["up", "today", "run -- true", "--help", ""])
def test_a_command_that_the_base_lacks_says_what_to_type(
    words: str, base: Installation, tmp_path: Path
) -> None:
    done = subprocess.run(
        [base.farebox, *words.split()],
        capture_output=True, text=True, env=environment(FAREBOX_HOME=str(tmp_path / "home")),
    )  # fmt: skip
    assert done.returncode == 69
    assert done.stdout == ""
    assert done.stderr.startswith("farebox: ")
    assert done.stderr.count("\n") == 1
    assert f"{base.python} -m pip install 'farebox[standard]'" in done.stderr


@pytest.mark.parametrize("name", ["proxy", "ledger", "server", "cli"])
def test_a_process_that_the_base_lacks_says_what_to_type(
    name: str, base: Installation, tmp_path: Path
) -> None:
    home = str(tmp_path / "home")
    arguments = ["up"] if name == "cli" else ["--home", home]
    done = base.try_to_run("-m", f"farebox.{name}", *arguments, FAREBOX_HOME=home)
    assert done.returncode == 69, done.stderr
    assert "farebox[standard]" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_application_with_the_base_meters_what_the_standard_installation_then_shows(
    base: Installation, standard: Installation, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "farebox.yaml").write_text(
        'providers:\n  my-gateway: {upstream: "http://gateway.test", speaks: openai}\n'
        "pricing:\n  gpt-4o: {per_token: 0.000001}\n"
    )
    loaded = base.run("-c", APPLICATION, FAREBOX_HOME=str(home)).stdout.split()
    assert not {name.partition(".")[0] for name in loaded} & set(COMMANDS)

    shown = standard.run("-m", "farebox.cli", "month", "--json", FAREBOX_HOME=str(home)).stdout
    totals = json.loads(shown)["totals"]
    assert (totals["calls"], totals["input_tokens"], totals["output_tokens"]) == (1, 1000, 10)
    assert totals["cost_usd"] == "0.00101"


def test_nothing_but_a_missing_package_is_taken_for_one(standard: Installation) -> None:
    done = standard.try_to_run(
        "-c", "from farebox.installation import start\nstart(lambda: __import__('farebox.no_such_part'))"
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
