"""Every function of ours that a program's calls run through is made to raise, one after the other.

What the program sees is what it sees without Farebox: the same pieces, results and exceptions. Nobody can
guard a function that a stack or the program itself calls, up to the `try` in it: such functions are left out.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from metered import KEY, Metered
from test_transports import ASK, HEADERS, STREAM
from tools.upstream import Reply, Request, Reset, chat_answer, chat_events, json_reply, sse_reply

import farebox
from farebox.sdk import faults

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")
aiohttp = pytest.importorskip("aiohttp")

OURS = str(Path(farebox.__file__).parent)
NEAR = "/sdk/transports/"
LONG = bool(os.environ.get("FAREBOX_LONG"))
"""Every function of ours; otherwise every fourth."""
FUNCTIONS_MIN = {"httpx": 200, "what a program says": 200}
"""A program runs through more functions of ours than these: fewer, and this test tests nothing."""

Seen = list[Any]
Program = Callable[[Metered], Seen]


def respond(request: Request) -> Reply:
    body = request.json() if request.body[:1] == b"{" else {"model": "a form"}
    if body["model"] == "error":
        return json_reply({"error": {"message": "no", "code": "wrong"}}, 400)
    if body["model"] == "broken":
        return sse_reply([*chat_events(4)[:3], Reset()])  # type: ignore[list-item]
    return sse_reply(chat_events(4)) if body.get("stream") else json_reply(chat_answer())


WHOLE, ERROR = ASK, {**ASK, "model": "error"}
BROKEN = {**STREAM, "model": "broken"}


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return what a call comes to, its exception included."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def with_httpx(module: Any) -> Program:
    def program(metered: Metered) -> Seen:
        url = metered.url("openai") + "/v1/chat/completions"
        with module.Client(timeout=5, trust_env=False, verify=False, headers=HEADERS) as client:

            def streamed(body: dict[str, Any], pieces: int) -> bytes:
                read = b""
                with client.stream("POST", url, json=body) as response:
                    for number, piece in enumerate(response.iter_raw()):
                        if number == pieces:
                            break
                        read += piece
                return read if pieces > 99 else read[:10]

            return [
                client.post(url, json=WHOLE).json(),
                outcome_of(lambda: client.post(url, json=ERROR).text),
                streamed(STREAM, 100),
                streamed(STREAM, 1),
                outcome_of(lambda: streamed(BROKEN, 100)),
                client.post(url, content=iter([b'{"model":', b'"gpt-4o"}'])).json(),
            ]

    return program


def with_async_httpx(metered: Metered) -> Seen:
    url = metered.url("openai") + "/v1/chat/completions"

    async def pieces() -> Any:
        yield b'{"model":'
        yield b'"gpt-4o"}'

    async def program() -> Seen:
        seen: Seen = []
        async with httpx.AsyncClient(timeout=5, trust_env=False, verify=False, headers=HEADERS) as client:
            for body in (WHOLE, ERROR, STREAM, BROKEN):
                try:
                    seen.append((await client.post(url, json=body)).content)
                except httpx.HTTPError as error:
                    seen.append(type(error).__name__)
            async with client.stream("POST", url, json=STREAM) as response:
                async for piece in response.aiter_raw():
                    seen.append(piece[:10])
                    break
            seen.append((await client.post(url, content=pieces())).content)
        return seen

    return asyncio.run(program())


def with_requests(metered: Metered) -> Seen:
    url = metered.url("openai") + "/v1/chat/completions"
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(HEADERS)

        def streamed(body: dict[str, Any]) -> bytes:
            with session.post(url, json=body, stream=True, timeout=5) as response:
                return b"".join(response.iter_content(None))

        with session.post(url, json=STREAM, stream=True, timeout=5) as left:
            first = next(left.iter_content(64))[:10]
        return [
            session.post(url, json=WHOLE, timeout=5).json(),
            session.post(url, json=ERROR, timeout=5).text,
            streamed(STREAM),
            first,
            outcome_of(lambda: streamed(BROKEN)),
        ]


def with_urllib3(metered: Metered) -> Seen:
    url = metered.url("openai") + "/v1/chat/completions"
    with urllib3.PoolManager(headers=HEADERS) as pool:
        return [
            pool.request("POST", url, json=WHOLE, retries=False).json(),
            pool.request("POST", url, json=STREAM, retries=False).data,
            b"".join(pool.request("POST", url, json=STREAM, preload_content=False).read_chunked()),
            outcome_of(lambda: pool.request("POST", url, json=BROKEN, retries=False).data),
        ]


def with_aiohttp(metered: Metered) -> Seen:
    url = metered.url("openai") + "/v1/chat/completions"

    async def program() -> Seen:
        seen: Seen = []
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            for body in (WHOLE, ERROR, STREAM, BROKEN):
                try:
                    async with session.post(url, json=body) as response:
                        seen.append(await response.read())
                except aiohttp.ClientError as error:
                    seen.append(type(error).__name__)
            async with session.post(url, json=STREAM) as response:
                seen.append((await response.content.read(64))[:10])
            form = aiohttp.FormData({"model": "gpt-4o"})
            form.add_field("file", b"x" * 1000, filename="a.wav")
            data = {"data": form, "headers": {"x-form": "1"}}
            async with session.post(metered.url("openai") + "/v1/embeddings", **data) as response:
                seen.append(response.status)
        return seen

    return asyncio.run(program())


def with_openai(metered: Metered) -> Seen:
    import openai

    with openai.OpenAI(base_url=metered.url("openai") + "/v1", api_key=KEY, max_retries=1) as client:
        farebox.wrap(client)
        ask: Any = client.chat.completions.create
        with ask(**STREAM) as stream:
            streamed = [chunk.model_dump() for chunk in stream]
        return [ask(**WHOLE).model_dump(), streamed, outcome_of(lambda: ask(**ERROR))]


def with_everything_else(metered: Metered) -> Seen:
    """What a program says itself: no call is under way, and an error of ours is none of its own."""
    answer = chat_answer()
    said: list[Any] = []

    @farebox.meter(agent="planner")
    def plain(x: int) -> int:
        return x + 1

    @farebox.meter
    def generator() -> Iterator[int]:
        yield 1
        yield 2

    @farebox.meter
    async def coroutine() -> int:
        return 3

    @farebox.attribute(customer="acme")
    async def agenerator() -> Any:
        yield 4

    async def asynchronous() -> Seen:
        async with farebox.attribute(session="s"):
            return [await coroutine(), [item async for item in agenerator()]]

    with farebox.attribute(customer="acme", tags={"feature": "x"}):
        said += [plain(1), list(generator()), asyncio.run(asynchronous())]
        said.append(farebox.track(answer, provider="openai") is answer)
        chunks = [{"id": "c", "model": "gpt-4o", "choices": []}, {"choices": [], "usage": answer["usage"]}]
        said.append(list(farebox.track(iter(chunks), provider="openai")))
        farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, event_id="e")
        farebox.outcome("done", task="t", value="1")
        farebox.score(name="good", value=1, task="t")
    farebox.flush()
    return said


PROGRAMS: dict[str, Program] = {
    "httpx": with_httpx(httpx),
    "httpx2": with_httpx(httpx2),
    "httpx async": with_async_httpx,
    "requests": with_requests,
    "urllib3": with_urllib3,
    "aiohttp": with_aiohttp,
    "openai": with_openai,
    "what a program says": with_everything_else,
}


def run(metered: Metered, program: Program) -> Seen:
    """Run a program from its first line to its last, as a process would that has loaded its modules."""
    farebox.configure(home=metered.home.path)
    farebox.instrument()
    try:
        return program(metered)
    finally:
        farebox.shutdown()


def guarded() -> set[tuple[str, int]]:
    """Return file and line of our functions that are one `try` against every exception: they cannot raise."""
    found: set[tuple[str, int]] = set()
    for file in Path(OURS).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = [
                    each for each in node.body if not isinstance(each, ast.Expr | ast.Global | ast.AnnAssign)
                ]
                if isinstance(body[0] if body else None, ast.Try) and _catches_all(body[0]):
                    found.add((str(file), node.lineno))
    return found


def _catches_all(node: Any) -> bool:
    names = [each.type.id for each in node.handlers if isinstance(each.type, ast.Name)]
    return "Exception" in names


def functions_of(metered: Metered, name: str) -> dict[CodeType, str]:
    """Return the functions of ours that a program runs through, that ours call, and that can raise.

    What every stack has in common is tried with one of them.

    The calls are traced, not profiled: up to Python 3.11.2 a generator that is resumed under `sys.setprofile`
    keeps counting what it has since taken off its stack, and a garbage collection then reads freed objects
    (https://github.com/python/cpython/issues/101975). It happens in generators of the HTTP stacks themselves,
    with or without Farebox.
    """
    whole = name in ("httpx", "what a program says")
    safe = guarded()
    found: dict[CodeType, str] = {}
    from_outside: set[CodeType] = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS):
            caller = frame.f_back
            if caller is None or not caller.f_code.co_filename.startswith(OURS):
                from_outside.add(code)
            elif not code.co_name.startswith("<") and (whole or NEAR in caller.f_code.co_filename):
                found[code] = f"{code.co_filename[len(OURS) + 1 :]}:{code.co_qualname}"

    before = sys.gettrace()
    sys.settrace(look)
    try:
        run(metered, PROGRAMS[name])
    finally:
        sys.settrace(before)
    return {
        code: name
        for code, name in found.items()
        if code not in from_outside and (code.co_filename, code.co_firstlineno) not in safe
    }


def raising(code: CodeType, hits: list[int]) -> CodeType:
    """Return a function's code that raises, with as many variables from outside as `code` has."""
    names = [f"v{number}" for number in range(len(code.co_freevars))]
    outside = "".join(f"    {name} = None\n" for name in names)
    text = (
        f"def make():\n{outside}    def fail(*_, **__):\n        'hits'.append(1)\n"
        f"        raise RuntimeError(({''.join(name + ', ' for name in names)}))\n    return fail\n"
    )
    scope: dict[str, Any] = {}
    exec(text, scope)  # noqa: S102
    made: CodeType = scope["make"]().__code__
    consts = tuple(hits if value == "hits" else value for value in made.co_consts)
    return made.replace(co_consts=consts)


@contextmanager
def failing(code: CodeType, found: list[FunctionType]) -> Iterator[list[int]]:
    """Make functions, which have this code, raise; what is returned counts how often one did."""
    hits: list[int] = []
    bad = raising(code, hits)
    for each in found:
        each.__code__ = bad
    try:
        yield hits
    finally:
        for each in found:
            each.__code__ = code


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS)
def test_whatever_of_ours_fails_the_program_sees_what_it_saw_without(
    metered: Metered, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered.mock.respond = respond
    run_program = PROGRAMS[program]
    with monkeypatch.context() as off:
        off.setenv("FAREBOX_DISABLED", "1")
        without = run_program(metered)
    assert run(metered, run_program) == without
    failed: list[str] = []
    raised: set[str] = set()
    functions = functions_of(metered, program)
    with_code: dict[CodeType, list[FunctionType]] = {code: [] for code in functions}
    gc.unfreeze()  # what a process of ours, run by an earlier test in this one, froze would not be listed
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__ in with_code:
            with_code[each.__code__].append(each)
    for code, name in list(functions.items())[:: 1 if LONG else 4]:
        with failing(code, with_code[code]) as hits:
            try:
                seen = run(metered, run_program)
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__} {error}")
                continue
        if hits:
            raised.add(name)
        if seen != without:
            failed.append(f"{name}: the program saw something else")
    assert not failed, "\n".join(failed)
    assert len(functions) >= FUNCTIONS_MIN.get(program, 3), sorted(functions.values())
    assert len(raised) >= (len(functions) if LONG else len(functions) // 4) * 0.6, sorted(raised)


def test_an_error_is_logged_once_counted_and_handed_to_the_hook_each_time(
    instrumented: Metered, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    instrumented.mock.respond = respond

    def fail(*_: object) -> None:
        raise RuntimeError("my secret prompt")

    monkeypatch.setattr("farebox.sdk.exchange.uuid7", fail)
    monkeypatch.setattr("farebox.sdk.addresses.known_request.retry_count", fail)
    url = instrumented.url("openai") + "/v1/chat/completions"
    for _ in range(3):
        assert httpx.post(url, json=WHOLE).status_code == 200
    assert [str(error) for error in instrumented.errors] == ["my secret prompt"] * 3
    (logged,) = [entry for entry in caplog.records if entry.name.startswith("farebox")]
    assert logged.levelname == "WARNING" and "secret" not in logged.getMessage()
    assert faults.counts["metering: RuntimeError"] == 3


def test_a_hook_that_raises_is_counted_and_changes_nothing(
    instrumented: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrumented.mock.respond = respond

    def fail(*_: object) -> None:
        raise RuntimeError

    farebox.configure(on_error=fail)
    monkeypatch.setattr("farebox.sdk.addresses.known_request.retry_count", fail)
    url = instrumented.url("openai") + "/v1/chat/completions"
    assert httpx.post(url, json=WHOLE).status_code == 200
    assert faults.counts["on_error"] == 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_disabled_nothing_is_patched_and_nothing_written(
    metered: Metered, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered.mock.respond = respond
    before = httpx.HTTPTransport.handle_request, httpx2.HTTPTransport.handle_request
    monkeypatch.setenv("FAREBOX_DISABLED", "1")
    run(metered, PROGRAMS[program])
    farebox.instrument()
    assert before == (httpx.HTTPTransport.handle_request, httpx2.HTTPTransport.handle_request)
    assert list(metered.home.path.iterdir()) == [metered.home.config]
    assert not metered.errors
