"""The wheel is what people install: complete, fresh, and enough by itself."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from tools.build_dashboard import is_fresh

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = re.compile(
    r"farebox/.+\.(py|yaml|sql|md)"
    r"|farebox/cli/run/preload/(?:node|bun|proxied)\.cjs"
    r"|farebox/(pricing/prices|catalog/catalog)\.msgpack"
    r"|farebox/server/web/.+\.(html|js|css|json|svg|png|ico|woff2|txt)"
    r"|farebox-[^/]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/(LICENSE|NOTICE))"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    (made,) = folder.glob("*.whl")
    return made


def build(folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


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


def test_the_compiled_prices_fit_the_catalog_beside_them(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    probe = (
        "from farebox.pricing import compiled_book as compiled\n"
        "assert compiled.PACKAGED.is_file()\n"
        "compiled.compile_prices = None  # opening it must not need this\n"
        "print(len(compiled.open_prices().providers))"
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
    assert int(done.stdout) > 20


def test_building_twice_gives_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    build(tmp_path)
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel beside its locked run-time dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in locked_names():
        link(name, Path(site.stdout.strip()))
    return folder / "bin" / "farebox"


def locked_names() -> list[str]:
    """Return the run-time dependencies that apply here, from the lock."""
    from packaging.requirements import Requirement

    names: list[str] = []
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line[0].isspace():
            requirement = Requirement(line.rstrip(" \\"))
            if requirement.marker is None or requirement.marker.evaluate():
                names.append(requirement.name)
    return names


def link(name: str, target: Path) -> None:
    distribution = importlib.metadata.distribution(name)
    for top in {Path(str(file)).parts[0] for file in distribution.files or []}:
        source = Path(str(distribution.locate_file(top)))
        if top not in ("..", "__pycache__") and source.exists() and not (target / top).exists():
            (target / top).symlink_to(source)


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR", "HOME")}
    return {**kept, "FAREBOX_HOME": str(home)}


def test_it_says_its_version(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, env=environment(tmp_path))
    assert re.fullmatch(r"farebox \d+\.\d+\.\d+\n", done.stdout)


@pytest.fixture
def running(installed: Path, tmp_path: Path) -> Iterator[str]:
    """Run `farebox up` in an empty directory and yield what it prints, to the link."""
    (tmp_path / "farebox.yaml").write_text("listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n")
    process = subprocess.Popen(
        [installed, "up"],
        cwd=tmp_path,
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    while "?link=" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    yield printed
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
