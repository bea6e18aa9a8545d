"""The wheel is what people install: complete, fresh, and enough by itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from tests.installations import Installation, build_wheel, environment
from tools.build_dashboard import is_fresh

from farebox.catalog import load
from farebox.pricing.compiled_book import source_digest

ALLOWED = re.compile(
    r"farebox/.+\.(py|yaml|sql|md)"
    r"|farebox/cli/run/preload/(?:node|bun|proxied)\.cjs"
    r"|farebox/(pricing/prices\.msgpack\.gz|catalog/catalog\.msgpack)"
    r"|farebox/catalog/model_limits\.json"
    r"|farebox/billing/documents/document\.(css|typ)"
    r"|farebox/server/web/.+\.(html|js|css|json|svg|png|ico|woff2|txt)"
    r"|farebox-[^/]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/(LICENSE|NOTICE))"
)


def test_it_is_pure_python_and_holds_nothing_unexpected(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if not ALLOWED.fullmatch(name)] == []
    assert not [name for name in names if "/fixtures/" in name or name.endswith(".pth")]


def test_the_dashboards_assets_are_complete_and_as_built(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    stamp = json.loads(archive.read("farebox/server/web/build.json"))
    inside = {
        name.removeprefix("farebox/server/web/"): hashlib.sha256(archive.read(name)).hexdigest()
        for name in archive.namelist()
        if name.startswith("farebox/server/web/") and not name.endswith("/build.json")
    }
    assert inside == stamp["files"]
    page = archive.read("farebox/server/web/index.html").decode()
    linked = re.findall(r'(?:src|href)="/?([^":?#]+\.(?:js|css))"', page)
    assert linked
    assert set(linked) <= set(inside)


def test_the_dashboard_is_that_of_these_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    assert is_fresh(tmp_path / "farebox" / "server" / "web"), "stale: make dashboard"


def test_prices_and_catalog_are_there_compiled_and_not_as_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    assert not list((tmp_path / "farebox/catalog").glob("*/*.yaml"))
    probe = (
        "from farebox.catalog import load\n"
        "from farebox.pricing import compiled_book as compiled\n"
        "compiled.compile_prices = None  # opening it must not need this\n"
        "print(compiled.open_prices().digest, len(load().providers))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [source_digest(), str(len(load().providers))]


def test_building_twice_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    again = build_wheel(tmp_path)
    assert again.read_bytes() == wheel.read_bytes()


@pytest.fixture
def running(standard: Installation, tmp_path: Path) -> Iterator[str]:
    """Run `farebox up` in an empty directory and yield what it prints, to the link."""
    (tmp_path / "farebox.yaml").write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")
    process = subprocess.Popen(
        [standard.farebox, "up"],
        cwd=tmp_path,
        env=environment(FAREBOX_HOME=str(tmp_path / "home")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        printed = ""
        while "?link=" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        yield printed
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        process.stdout.close()


def test_up_serves_the_dashboard_through_the_link_it_prints(running: str) -> None:
    found = re.search(r"http://\S+\?link=\S+", running)
    assert found is not None, running
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with opener.open(found[0], timeout=30) as answer:
        page = answer.read().decode()
    base = found[0].partition("/?")[0]
    linked = re.findall(r'(?:src|href)="(/[^":?#]+\.(?:js|css))"', page)
    assert linked
    for path in linked:
        with opener.open(base + path, timeout=30) as answer:
            assert answer.status == 200
            assert answer.read()
