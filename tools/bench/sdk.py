"""What the SDK adds to a program, beside lago-agent-sdk, langfuse and OpenLLMetry: time, memory, imports.

    python -m tools.bench.sdk [--json] [--calls N] [--alone]

Everything is measured in one run, on one mock, with the same openai client. Each figure comes from a
process of its own that makes the same calls with and without a product by turns. The products are taken
from the package registry into a virtual environment in the build cache; where that cannot be reached,
Farebox is measured alone, and it is said so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tools.upstream import MockUpstream, Reply, Request, json_reply

TOOLS = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("FAREBOX_BUILD_CACHE", Path.home() / ".cache" / "farebox-build"))
REQUIREMENTS = Path(__file__).with_name("sdk_products.txt")
PRODUCT = Path(__file__).with_name("sdk_product.py")
OTHERS = ("lago-agent-sdk", "langfuse", "openllmetry")
ROUNDS = 3
"""Each product's calls are measured this often, all products in turn; the median counts."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--calls", type=int, default=1_000, help="calls of each kind, each product and round")
    parser.add_argument("--alone", action="store_true", help="Farebox only, without the other products")
    options = parser.parse_args()
    found = measure(options.calls, alone=options.alone)
    if options.json:
        print(json.dumps(found))
        return 0
    for name, value in found.items():
        text = (
            " · ".join(f"{key} {entry}" for key, entry in value.items()) if isinstance(value, dict) else value
        )
        print(f"{name:28} {text}")
    return 0


def measure(calls: int, *, alone: bool = False) -> dict[str, Any]:
    """Return every figure of this page; of each product where there is more than one."""
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder, _Mock() as url, _Sink() as sink:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        os.environ |= {
            "FAREBOX_HOME": str(home),
            "BENCH_URL": url,
            "BENCH_SINK": sink.url,
            "BENCH_CALLS": str(calls),
            "PYTHONPATH": str(TOOLS.parent / "src"),
        }
        python, problem = (None, "not asked for") if alone else _products()
        names = ("farebox",) if python is None else ("farebox", *OTHERS)
        python = python or sys.executable
        found: dict[str, Any] = {"versions": _versions(python, names)}
        if problem is not None:
            found["others_not_measured"] = problem
        found |= _added(python, names)
        for name in names[1:]:
            if not sink.delivered(name):
                raise RuntimeError(f"{name} delivered nothing: it has measured nothing")
        found["memory_kib"] = _memory(python, names)
        found["import_ms"] = {name: _part(python, name, "import", best_of=5) for name in names}
        found["import_alone_ms"] = _import_alone_ms(python)
        found["records_per_second"] = _records()
        return found


class _Mock:
    """The mock upstream in a process of its own."""

    def __enter__(self) -> str:
        self._child = subprocess.Popen(
            [sys.executable, str(TOOLS / "upstream.py"), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        return f"http://127.0.0.1:{line.rsplit(':', 1)[1].split()[0].strip('/')}"

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait()


class _Sink:
    """Where the products deliver to: it takes everything."""

    def __enter__(self) -> _Sink:
        self._seen: set[str] = set()
        self._mock = MockUpstream(self._respond, keep_requests=False)
        self._mock.__enter__()
        self.url = self._mock.url
        return self

    def __exit__(self, *_: object) -> None:
        self._mock.__exit__()

    def delivered(self, name: str) -> bool:
        """Tell whether a product has sent anything."""
        return name.partition("-")[0] in self._seen

    def _respond(self, request: Request) -> Reply:
        if request.method == b"POST":
            self._seen.add(request.path.split("/")[1])
        return json_reply({})


def _products() -> tuple[str | None, str | None]:
    """Return the Python of the environment with the products, or why there is none."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = CACHE / "sdk-products" / mark
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print("… installing the products that are measured beside it", file=sys.stderr, flush=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], install):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                problem = f"the other products could not be installed from the package registry: {last}"
                print(f"Farebox is measured alone: {problem}", file=sys.stderr, flush=True)
                return None, problem
        ready.touch()
    return str(python), None


def _versions(python: str, names: tuple[str, ...]) -> dict[str, str]:
    packages = {"openai": "openai", "farebox": "", "openllmetry": "opentelemetry-instrumentation-openai"}
    packages = {name: packages.get(name, name) for name in ("openai", *names) if name != "farebox"}
    code = f"import importlib.metadata as m; print(*map(m.version, {list(packages.values())}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return {"farebox": version("farebox"), **dict(zip(packages, done.stdout.split(), strict=True))}


def _part(python: str, name: str, part: str, *, best_of: int = 1) -> Any:
    """Return what a process says that measures one part of a product; the least of several where it is a
    number."""
    found: list[Any] = []
    for _ in range(best_of):
        done = subprocess.run(
            [python, str(PRODUCT), name, part], cwd=TOOLS.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{name}, {part}: {done.stderr.strip()[-2000:]}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return round(min(found), 1) if best_of > 1 else found[0]


def _added(python: str, names: tuple[str, ...]) -> dict[str, Any]:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            rounds[name].append(_part(python, name, "calls"))
    found: dict[str, Any] = {}
    for key in rounds["farebox"][0]:
        values = {name: statistics.median(each[key] for each in rounds[name]) for name in names}
        digits = 2 if key.startswith("event") else 1
        if key == "call_us_without":
            found[key] = round(min(values.values()), digits)
        else:
            found[f"added_{key}"] = {name: round(value, digits) for name, value in values.items()}
    return found


def _memory(python: str, names: tuple[str, ...]) -> dict[str, float]:
    """Return what each adds to the memory of a program that has made a thousand calls, in KiB."""
    without = _part(python, "nothing", "memory", best_of=3)
    return {name: round(_part(python, name, "memory", best_of=3) - without) for name in names}


def _import_alone_ms(python: str) -> float:
    """Return what `import farebox` takes, the interpreter's own start apart; the best of nine."""

    def took(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([python, "-c", code], check=True)
        return time.perf_counter() - began

    pairs = [(took("pass"), took("import farebox")) for _ in range(9)]
    return round((min(pair[1] for pair in pairs) - min(pair[0] for pair in pairs)) * 1000, 1)


def _records() -> int:
    """Return how many events a second of processor time go through `record()`."""
    import farebox

    usage = {"input_uncached": 900, "cache_read": 100, "output_text": 50}
    best = 0.0
    for _ in range(3):
        began = time.thread_time()
        for _ in range(20_000):
            farebox.record(provider="openai", model="gpt-4o", usage=usage)
        best = max(best, 20_000 / (time.thread_time() - began))
    farebox.shutdown()
    return round(best)


if __name__ == "__main__":
    sys.exit(main())
