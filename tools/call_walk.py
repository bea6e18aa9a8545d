"""Count the modules that one chat call executes on its way from the socket into the record.

A real proxy and a real ledger process run under a trace hook; after a warm-up call, the hook notes every
module of Farebox that runs a function while one more call passes. `docs/how-a-call-flows.md` tells the way in
words, and tests/test_call_walk.py holds the number.

    python -m tools.call_walk [--json] [--stream]
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.request import Request, urlopen

if not __package__:  # as a program: the tools beside it are found from the repository's root
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.upstream import MockUpstream, Reply, json_reply, sse_reply

PACKAGE = "farebox."
MODULES_MAX = 45
"""How many modules one chat call may execute: a reader has to follow that many pages."""
_WAIT_S = 30.0

_RESPONSE = {
    "id": "chatcmpl-walk",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


def walk(*, stream: bool = False) -> dict[str, list[str]]:
    """Return the modules that one call executes, by process, in alphabetical order."""
    with (
        tempfile.TemporaryDirectory(prefix="farebox-walk-") as folder,
        MockUpstream(_answer) as upstream,
    ):
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        config = Path(folder) / "farebox.yaml"
        config.write_text(f"providers:\n  openai:\n    upstream: {upstream.url}\n", encoding="utf-8")
        notes = {name: Path(folder) / f"{name}.json" for name in ("proxy", "ledger")}
        processes = [
            _traced(notes["ledger"], "farebox.ledger", home, config),
            _traced(notes["proxy"], "farebox.proxy", home, config, "--listen", "127.0.0.1:0"),
        ]
        try:
            address = json.loads(_await(lambda: (home / "run" / "proxy.json").read_text()))
            url = f"http://{address['host']}:{address['port']}/openai/v1/chat/completions"
            _call(url, stream=stream)
            _await(lambda: _rows(home) >= 1 or None)
            time.sleep(0.3)  # what the warm-up call leaves to do is done
            for process in processes:
                process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
            _call(url, stream=stream)
            _await(lambda: _rows(home) >= 2 or None)
            for process in processes:
                process.send_signal(signal.SIGUSR1)
            time.sleep(0.2)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(_WAIT_S)
        return {name: json.loads(note.read_text()) for name, note in notes.items()}


def _answer(request: Any) -> Reply:
    if request.json().get("stream"):
        chunk = {**_RESPONSE, "object": "chat.completion.chunk", "usage": None}
        chunk["choices"] = [{"index": 0, "delta": {"content": "Hello."}, "finish_reason": None}]
        last = {**chunk, "choices": [], "usage": _RESPONSE["usage"]}
        return sse_reply(
            [b"data: " + json.dumps(each).encode() + b"\n\n" for each in (chunk, chunk, last)]
            + [b"data: [DONE]\n\n"]
        )
    return json_reply(_RESPONSE)


def _call(url: str, *, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    request = Request(url, json.dumps(asked).encode(), {"content-type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=_WAIT_S) as response:  # noqa: S310
        response.read()


def _rows(home: Path) -> int:
    from farebox.home import Home
    from farebox.ledger.calls import LedgerReader

    reader = LedgerReader(Home(home))
    try:
        return reader.last_seq()
    finally:
        reader.close()


def _await(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            found = look()
        except (OSError, ValueError):
            found = None
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError("the call did not arrive")
        time.sleep(0.02)


def _traced(note: Path, module: str, home: Path, config: Path, *more: str) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).resolve())
    arguments = ["--home", str(home), "--config", str(config), *more]
    return subprocess.Popen(
        [sys.executable, here, "--trace", str(note), module, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(here).parent.parent / "src")},
    )


def _trace(note: str, module: str, arguments: list[str]) -> None:
    """Run a module of Farebox and write down what it executes between two SIGUSR1."""
    seen: set[str] = set()
    on = False

    def hook(frame: FrameType, event: str, argument: object) -> None:
        if on and event == "call":
            name = frame.f_globals.get("__name__", "")
            if name.startswith(PACKAGE):
                seen.add(name)

    def switch(number: int, frame: FrameType | None) -> None:
        nonlocal on
        on = not on

    def write() -> None:
        Path(note).write_text(json.dumps(sorted(seen)), encoding="utf-8")

    signal.signal(signal.SIGUSR1, switch)
    atexit.register(write)
    # Traced, not profiled: under a profile hook, a garbage collection can crash Python up to 3.11.2
    # (https://github.com/python/cpython/issues/101975).
    threading.settrace(hook)
    sys.settrace(hook)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """Print the modules, as one JSON object with `--json`."""
    if sys.argv[1:2] == ["--trace"]:
        _trace(sys.argv[2], sys.argv[3], sys.argv[4:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stream", action="store_true", help="A streamed response instead of a whole one.")
    arguments = parser.parse_args()
    found = walk(stream=arguments.stream)
    if arguments.json:
        print(json.dumps(found))
        return
    for process, modules in found.items():
        print(f"{process}: {len(modules)}")
        for name in modules:
            print(f"  {name.removeprefix(PACKAGE)}")
    print(f"{len(set().union(*found.values()))} modules in all, {MODULES_MAX} are the limit")


if __name__ == "__main__":
    main()
