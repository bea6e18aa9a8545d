"""Measure what one product adds to a program that calls openai; `tools.bench.sdk` runs it.

    python tools/bench/sdk_product.py farebox|lago-agent-sdk|langfuse|openllmetry|nothing PART

Stands alone, so that it runs in the virtual environment where the products are. Each is set up as its own
documentation says, with its defaults, and delivers to `BENCH_SINK`.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEY = "sk-bench-0123456789abcdef"
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
EVENTS = 2_000
STREAM: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "extra_headers": {"x-mock-events": str(EVENTS)},
}
MEMORY_CALLS = 1_000
_TURN = 10


class Nothing:
    """A program without any of them."""

    package = "openai"

    def switch(self, on: bool) -> None:
        """Have what is called from now on measured, or not."""

    def client(self, client: Any) -> Any:
        """Return the client that is measured."""
        return client

    def end(self) -> None:
        """Deliver what is still to be delivered."""


class Farebox(Nothing):
    """Every transport of the process."""

    package = "farebox"

    def __init__(self) -> None:
        import farebox

        self._farebox = farebox

    def switch(self, on: bool) -> None:
        if on:
            self._farebox.instrument()
        else:
            self._farebox.uninstrument()

    def end(self) -> None:
        self._farebox.shutdown()


class Lago(Nothing):
    """A client wrapped by `LagoSDK.wrap`."""

    package = "lago_agent_sdk"

    def __init__(self) -> None:
        from lago_agent_sdk import LagoSDK

        url = os.environ["BENCH_SINK"] + "/lago/api/v1"
        self._sdk = LagoSDK(api_key="bench", api_url=url, default_subscription_id="sub_acme")

    def client(self, client: Any) -> Any:
        return self._sdk.wrap(client)

    def end(self) -> None:
        self._sdk.flush()


class _Patched(Nothing):
    """A product that replaces methods of openai's classes: they are put in and taken out by turns."""

    def __init__(self) -> None:
        from openai.resources.chat import completions

        self._owners = completions.Completions, completions.AsyncCompletions
        self._plain = [owner.__dict__["create"] for owner in self._owners]
        self._install()
        self._measured = [owner.__dict__["create"] for owner in self._owners]
        if any(plain is new for plain, new in zip(self._plain, self._measured, strict=True)):
            raise RuntimeError(f"{self.package} has replaced nothing")

    def _install(self) -> None:
        raise NotImplementedError

    def switch(self, on: bool) -> None:
        for owner, method in zip(self._owners, self._measured if on else self._plain, strict=True):
            owner.create = method  # type: ignore[method-assign]


class Langfuse(_Patched):
    """`from langfuse.openai import openai`."""

    package = "langfuse"

    def _install(self) -> None:
        os.environ["LANGFUSE_PUBLIC_KEY"] = "pk-lf-bench"
        os.environ["LANGFUSE_SECRET_KEY"] = "sk-lf-bench"  # noqa: S105  # of no service
        os.environ["LANGFUSE_BASE_URL"] = os.environ["BENCH_SINK"] + "/langfuse"
        import langfuse
        import langfuse.openai  # pyright: ignore[reportMissingImports]

        self._client = langfuse.get_client()

    def end(self) -> None:
        self._client.flush()


class OpenLLMetry(_Patched):
    """Its instrumentation of openai, and OpenTelemetry's batching exporter."""

    package = "opentelemetry.instrumentation.openai"

    def _install(self) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._provider = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=os.environ["BENCH_SINK"] + "/openllmetry/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(self._provider)
        OpenAIInstrumentor().instrument()

    def end(self) -> None:
        self._provider.force_flush()


PRODUCTS: dict[str, type[Nothing]] = {
    "nothing": Nothing,
    "farebox": Farebox,
    "lago-agent-sdk": Lago,
    "langfuse": Langfuse,
    "openllmetry": OpenLLMetry,
}


def main() -> None:
    product, part = PRODUCTS[sys.argv[1]], sys.argv[2]
    if part == "calls":
        found: Any = _calls(product())
    elif part == "memory":
        found = _memory(product)
    else:
        found = _import_ms(product.package)
    print(json.dumps(found))


def _clients(product: Nothing, kind: str) -> tuple[Any, Any]:
    """Return a client that is not measured and one that is.

    Both go to the provider's own name, by way of the mock as their HTTP proxy: so no product needs a
    configuration that it would not have in a program of somebody's.
    """
    import openai

    def make() -> Any:
        transport = openai.DefaultHttpxClient if kind == "OpenAI" else openai.DefaultAsyncHttpxClient
        return getattr(openai, kind)(
            base_url="http://api.openai.com/v1",
            api_key=KEY,
            max_retries=0,
            http_client=transport(proxy=os.environ["BENCH_URL"]),
        )

    return make(), product.client(make())


def _calls(product: Nothing) -> dict[str, float]:
    """Return what is added to a call and to an event of a stream, in microseconds."""
    count = int(os.environ.get("BENCH_CALLS", "1000"))
    plain, measured = _clients(product, "OpenAI")

    def call(on: bool) -> None:
        (measured if on else plain).chat.completions.create(**ASK)

    def stream(on: bool) -> None:
        for _ in (measured if on else plain).chat.completions.create(**ASK, **STREAM):
            pass

    found = _in_turns(product, call, count)
    streamed = _in_turns(product, stream, 12, turn=2)
    plain_async, measured_async = _clients(product, "AsyncOpenAI")
    with asyncio.Runner() as runner:

        def call_async(on: bool) -> None:
            runner.run(ask(on))

        async def ask(on: bool) -> None:
            await (measured_async if on else plain_async).chat.completions.create(**ASK)

        awaited = _in_turns(product, call_async, count // 2)
    product.switch(False)
    product.end()
    return {
        "call_us_without": found[0],
        "call_us": found[1] - found[0],
        "call_processor_us": found[3] - found[2],
        "async_call_us": awaited[1] - awaited[0],
        "async_call_processor_us": awaited[3] - awaited[2],
        "event_us": (streamed[1] - streamed[0]) / EVENTS,
        "event_processor_us": (streamed[3] - streamed[2]) / EVENTS,
    }


def _in_turns(
    product: Nothing, work: Callable[[bool], None], count: int, turn: int = _TURN
) -> tuple[float, ...]:
    """Return medians in microseconds: time without and with it, processor time without and with it.

    The processor's time is that of all threads: work that a product leaves to a thread of its own counts.
    """
    took: tuple[list[int], list[int]] = ([], [])
    spent: tuple[list[float], list[float]] = ([], [])
    for on in (False, True):  # both warm
        product.switch(on)
        for _ in range(turn):
            work(on)
    clock = time.perf_counter_ns
    for number in range(2 * count // turn):
        on = bool(number % 2)
        product.switch(on)
        work(on)  # what switching costs is not measured
        busy = time.process_time_ns()
        for _ in range(turn):
            began = clock()
            work(on)
            took[on].append(clock() - began)
        spent[on].append((time.process_time_ns() - busy) / turn)
    return tuple(statistics.median(each) / 1000 for each in (*took, *spent))


def _memory(make: type[Nothing]) -> int:
    """Return this program's PSS in KiB after a thousand calls."""
    import httpx2  # noqa: F401 - what the program has loaded anyway
    import openai  # noqa: F401

    product = make()
    product.switch(True)
    client = _clients(product, "OpenAI")[1]
    for _ in range(MEMORY_CALLS):
        client.chat.completions.create(**ASK)
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def _import_ms(package: str) -> float:
    """Return what importing it takes in a program that has loaded openai."""
    import importlib

    import openai  # noqa: F401

    began = time.perf_counter()
    importlib.import_module(package)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
