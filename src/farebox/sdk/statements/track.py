"""Record a call by the response that its client library returned, where its transport is not metered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, TypeVar, cast

from farebox.errors import UsageError
from farebox.recording.attribution_merge import Attribution
from farebox.recording.stated_usage import endpoint_of, measure
from farebox.sdk import faults
from farebox.sdk.process_meter import ProcessMeter, process_meter
from farebox.sdk.statements.events import identity, whose
from farebox.sdk.statements.measured import StreamMeasure, document_of, provider_of
from farebox.sdk.statements.record import append

_Response = TypeVar("_Response")


def track(
    response: _Response,
    *,
    customer: object = None,
    user: object = None,
    agent: object = None,
    session: object = None,
    task: object = None,
    project: object = None,
    tags: Mapping[str, object] | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> _Response:
    """Record what a response cost and return it: any client's response object, its JSON, or a stream.

    A stream is recorded when it ends; what is returned for it behaves like it. `provider` and `model` are
    needed only where the response does not say. A response that `instrument()` or `wrap()` has metered
    already is not recorded again: say whose it is with `attribute()`.
    """
    try:
        meter = process_meter()
        if meter is None:
            return response
        names = {"customer": customer, "user": user, "agent": agent, "session": session, "task": task}
        of = whose(meter, {**names, "project": project}, tags)
        if _is_stream(response):
            return cast("_Response", _TrackedStream(response, _Tracked(meter, of, provider, model)))
        _Tracked(meter, of, provider, model).whole(response)
    except Exception as error:
        faults.report(error, "track()")
    return response


def _is_stream(response: Any) -> bool:
    if isinstance(response, Mapping | str | bytes | list | tuple) or hasattr(response, "model_dump"):
        return False
    return any(hasattr(response, name) for name in ("__next__", "__anext__", "__aiter__", "__aenter__"))


class _Tracked:
    """One response that is being recorded."""

    def __init__(self, meter: ProcessMeter, of: Attribution, provider: str | None, model: str | None) -> None:
        self._meter = meter
        self._of = of
        self._provider = provider
        self._model = model
        self._began_ns = time.time_ns()
        self._events: StreamMeasure | None = None
        self._ended = False

    def whole(self, response: Any) -> None:
        """Record a whole response."""
        provider = self._named(response)
        endpoint = endpoint_of(self._meter.catalog, provider)
        found = measure(endpoint, document_of(response), self._model)
        if self._meter.metered_responses.has(endpoint.provider_id, found.response_id):
            raise UsageError("it was metered when it was received: say whose it is with attribute()")
        which = identity(self._meter.recorder.source, None, None)
        append(self._meter, which, endpoint, found, self._of, time.time_ns())

    def event(self, event: Any) -> None:
        """Take in an event of a stream; never raises."""
        try:
            if self._ended:
                return
            if self._events is None:
                self._provider = self._named(event)
                endpoint = endpoint_of(self._meter.catalog, self._provider)
                self._events = StreamMeasure(endpoint, self._model)
            self._events.event(event)
        except Exception as error:
            self._ended = True
            faults.report(error, "track()")

    def end(self, *, whole: bool) -> None:
        """Record what a stream came to; never raises."""
        try:
            if self._ended or self._events is None or self._provider is None:
                return
            self._ended = True
            found = self._events.finish(whole=whole)
            endpoint = endpoint_of(self._meter.catalog, self._provider)
            if self._meter.metered_responses.has(endpoint.provider_id, found.response_id):
                raise UsageError("it was metered when it was received: say whose it is with attribute()")
            which = identity(self._meter.recorder.source, None, None)
            ended = whole or found.completeness == "final"
            append(
                self._meter,
                which,
                endpoint,
                found,
                self._of,
                time.time_ns(),
                began_ns=self._began_ns,
                outcome="completed" if ended else "client_disconnected",
            )
        except Exception as error:
            faults.report(error, "track()")

    def _named(self, response: Any) -> str:
        provider = self._provider or provider_of(response, self._meter.catalog)
        if provider is None:
            raise UsageError(f"track() needs provider= for {type(response).__name__}")
        return provider


class _TrackedStream:
    """A stream that records itself when it ends; everything else is the stream's own."""

    def __init__(self, stream: Any, tracked: _Tracked) -> None:
        self._stream = stream
        self._tracked = tracked

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The stream's own, so that `isinstance` holds."""
        return cast("Any", type(self._stream))

    def __getattr__(self, name: str) -> Any:
        if name in ("_stream", "_tracked"):  # not made to its end, or a copy without them
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._stream:
                self._tracked.event(event)
                yield event
        except BaseException:
            self._tracked.end(whole=False)
            raise
        self._tracked.end(whole=True)

    def __next__(self) -> Any:
        try:
            event = next(self._stream)
        except BaseException as error:
            self._tracked.end(whole=isinstance(error, StopIteration))
            raise
        self._tracked.event(event)
        return event

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for event in self._stream:
                self._tracked.event(event)
                yield event
        except BaseException:
            self._tracked.end(whole=False)
            raise
        self._tracked.end(whole=True)

    async def __anext__(self) -> Any:
        try:
            event = await self._stream.__anext__()
        except BaseException as error:
            self._tracked.end(whole=isinstance(error, StopAsyncIteration))
            raise
        self._tracked.event(event)
        return event

    def __enter__(self) -> Any:
        return self._entered(self._stream.__enter__())

    def __exit__(self, *error: Any) -> Any:
        self._tracked.end(whole=False)
        return self._stream.__exit__(*error)

    async def __aenter__(self) -> Any:
        return self._entered(await self._stream.__aenter__())

    async def __aexit__(self, *error: Any) -> Any:
        self._tracked.end(whole=False)
        return await self._stream.__aexit__(*error)

    def close(self) -> Any:
        self._tracked.end(whole=False)
        return self._stream.close()

    def __del__(self) -> None:
        if "_tracked" in self.__dict__:
            self._tracked.end(whole=False)

    def _entered(self, stream: Any) -> Any:
        return self if stream is self._stream else _TrackedStream(stream, self._tracked)
