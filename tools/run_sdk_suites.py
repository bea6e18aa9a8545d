"""Run the test suites of openai-python and anthropic-sdk-python directly and through Farebox, and compare.

`python tools/run_sdk_suites.py [--json] [--tests PATH …] [openai==3.57.0] [anthropic==2.14.0]`

The suites come out of the published source distributions. Their mock of the API needs OpenAPI files that
these do not hold, so a mock responds to every request with the same JSON: many tests fail that way,
and they have to fail in the same way. What is compared: each test's outcome and message, every request
that reached the mock (method, target, headers, body), and one row for each of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.upstream import MockUpstream, Reply, Request, json_reply

CACHE = Path(os.environ.get("FAREBOX_BUILD_CACHE", Path.home() / ".cache" / "farebox-build")) / "sdk-suites"
ROUTES = {"openai": "openai", "anthropic": "anthropic"}
SOURCES = {"openai": "openai/openai-python", "anthropic": "anthropics/anthropic-sdk-python"}
TESTS = ("tests/api_resources", "tests/test_client.py")
"""What reaches the network; the rest never leaves its process."""
_NOT_NEEDED = re.compile(r"(ty|ruff|pyright|griffe|pandas-stubs|boto3-stubs|types-.*|Pillow)\b")
_EXTRAS_LEFT_OUT = {"voice_helpers"}  # needs a sound card's library
_OF_THE_CONNECTION = {b"host", b"connection", b"content-length"}
_INJECTED = b',"stream_options":{"include_usage":true}'
"""The one thing that Farebox adds, see docs/decisions/0002-include-usage.md."""
_CHANGES = re.compile(
    r"0x[0-9a-f]+|Port eq \d+|127\.0\.0\.1:\d+(?:/\w+)?|\d+\.\d+s|boundary=\w+|\b[0-9a-f]{32}\b"
)
"""What differs from run to run: addresses in memory and on the network, times, boundaries."""
_BOUNDARY = re.compile(rb"boundary=([\w'()+,./:=?-]+)")
ANSWER = {"id": "id", "object": "list", "created": 1, "data": [], "has_more": False, "type": "message"}


@dataclass
class Run:
    """What one run of a suite came to."""

    outcomes: dict[str, str]
    """Test to outcome and, where it failed, the message."""
    requests: Counter[str]

    @property
    def passed(self) -> int:
        return sum(outcome == "passed" for outcome in self.outcomes.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object for each suite")
    parser.add_argument("--tests", nargs="*", default=list(TESTS), help="paths below the suite")
    parser.add_argument("suites", nargs="*", default=list(ROUTES), metavar="SUITE", help="openai==3.57.0")
    options = parser.parse_args()
    well = True
    for requirement in options.suites:
        name = re.split(r"[=<>~!]", requirement)[0]
        folder = unpacked(name, requirement)
        if not (folder / "tests").is_dir():
            print(f"{requirement}: its source distribution holds no tests. Get them with: git clone "
                  f"https://github.com/{SOURCES[name]}", file=sys.stderr)  # fmt: skip
            well = False
            continue
        well &= compare(name, folder, environment(name, folder), options.tests, as_json=options.json)
    return 0 if well else 1


def compare(name: str, folder: Path, python: Path, tests: list[str], *, as_json: bool) -> bool:
    """Run one suite twice and say what differs; return whether nothing does."""
    chosen = [path for path in tests if (folder / path).exists()]
    with MockUpstream(answer) as mock:
        # Both base URLs have a path: some tests look at the path of what they would send.
        upstream = f"{mock.url}/{ROUTES[name]}"
        direct = run(folder, python, chosen, mock, upstream)
        with tempfile.TemporaryDirectory(prefix="farebox-sdk-") as home:
            with Proxy(Path(home), ROUTES[name], upstream) as base_url:
                through = run(folder, python, chosen, mock, base_url)
            rows = exported(Path(home))
    different = sorted(
        test
        for test in direct.outcomes.keys() | through.outcomes.keys()
        if direct.outcomes.get(test) != through.outcomes.get(test)
    )
    sent = sum(through.requests.values())
    lost, added = direct.requests - through.requests, through.requests - direct.requests
    said: dict[str, Any] = {
        "suite": folder.name,
        "tests": len(direct.outcomes),
        "passed_directly": direct.passed,
        "passed_through": through.passed,
        "different": different,
        "requests_directly": sum(direct.requests.values()),
        "requests_through": sent,
        "requests_different": sum(lost.values()) + sum(added.values()),
        "rows": rows,
    }
    if as_json:
        print(json.dumps(said))
    else:
        print(f"{folder.name}: {len(direct.outcomes)} tests, {direct.passed} pass directly and "
              f"{through.passed} through Farebox; {len(different)} differ. {sent} requests, "
              f"{said['requests_different']} differ; {rows} rows.")  # fmt: skip
        for test in different[:20]:
            print(f"  {test}\n    directly: {direct.outcomes.get(test)}")
            print(f"    through:  {through.outcomes.get(test)}")
        for request, count in list((lost + added).items())[:10]:
            print(f"  {count} × {request}")
    return not different and not lost and not added and rows == sent


def answer(request: Request) -> Reply:
    return json_reply(ANSWER)


def run(folder: Path, python: Path, tests: list[str], mock: MockUpstream, base_url: str) -> Run:
    """Run a suite against a base URL."""
    mock.requests.clear()
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "TEST_API_BASE_URL": base_url, "DEFER_PYDANTIC_BUILD": "false"}
    for variable in list(environment):
        if variable.startswith(("OPENAI_", "ANTHROPIC_", "FAREBOX_")) or variable.lower().endswith("_proxy"):
            del environment[variable]
    command = [
        *(python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-o", "addopts="),
        *("--tb=line", f"--junitxml={report}", *tests),
    ]
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)
    return Run(outcomes_of(report), Counter(shown(request) for request in mock.requests))


def outcomes_of(report: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for case in xml.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest has just written it
        outcome = "passed"
        for kind in ("failure", "error", "skipped"):
            element = case.find(kind)
            if element is not None:
                message = _CHANGES.sub("…", element.get("message") or "")
                outcome = f"{kind}: {message[:300]}"
        found[f"{case.get('classname')}::{case.get('name')}"] = outcome
    return found


def shown(request: Request) -> str:
    """Return a request as it can be compared, without what names the connection or a boundary."""
    body, headers = request.body.replace(_INJECTED, b""), list[str]()
    for name, value in request.headers:
        boundary = _BOUNDARY.search(value)
        if boundary is not None:
            body = body.replace(boundary[1], b"boundary")
            value = value.replace(boundary[1], b"boundary")
        if name.lower() not in _OF_THE_CONNECTION:
            headers.append(f"{name.lower().decode()}: {value.decode('latin-1')}")
    digest = hashlib.sha256(body + "\n".join(sorted(headers)).encode()).hexdigest()[:16]
    return f"{request.method.decode()} {request.target.decode('latin-1')} {digest}"


class Proxy:
    """A Farebox proxy with a home of its own; entering returns the base URL of one provider."""

    def __init__(self, home: Path, provider: str, upstream: str) -> None:
        self._home = home
        self._provider = provider
        config = home / "farebox.yaml"
        config.write_text(f"providers:\n  {provider}:\n    upstream: {upstream}\n")
        command = [sys.executable, "-m", "farebox.proxy", "--home", str(home), "--config", str(config)]
        self._process = subprocess.Popen([*command, "--listen", "127.0.0.1:0"])

    def __enter__(self) -> str:
        import time

        file = self._home / "run" / "proxy.json"
        while not file.exists():
            if self._process.poll() is not None:
                raise SystemExit("the proxy did not start")
            time.sleep(0.05)
        return f"http://127.0.0.1:{json.loads(file.read_bytes())['port']}/{self._provider}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def exported(home: Path) -> int:
    """Return how many rows a home's ledger has."""
    command = [sys.executable, "-m", "farebox.cli", "export", "--home", str(home)]
    return subprocess.run(command, capture_output=True, check=True).stdout.count(b"\n")


def unpacked(name: str, requirement: str) -> Path:
    """Return the folder of a source distribution, downloaded and unpacked once."""
    place = CACHE / "sources"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="farebox-sdk-") as fresh:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-binary", name, "--no-deps"]
        subprocess.run([*pip, "-d", fresh, requirement], check=True)
        (archive,) = Path(fresh).glob("*.tar.gz")
        folder = place / archive.name.removesuffix(".tar.gz")
        if not folder.exists():
            shutil.unpack_archive(archive, place)
    return folder


def environment(name: str, folder: Path) -> Path:
    """Return the Python of an environment with a suite's own requirements, made once."""
    place = CACHE / folder.name
    python = place / "bin" / "python"
    if not (place / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        group = [entry for entry in project["dependency-groups"]["dev"] if not _NOT_NEEDED.match(entry)]
        extras = ",".join(set(project["project"]["optional-dependencies"]) - _EXTRAS_LEFT_OUT)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*pip, f"{name}[{extras}] @ file://{folder}", *group], check=True)
        (place / ".ready").touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
