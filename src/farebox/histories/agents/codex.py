"""Codex's rollouts: `sessions/**/rollout-*.jsonl` and `archived_sessions/` below `~/.codex`.

A `token_count` event comes after every response, with what the session used in all (`total_token_usage`) and
what the response did (`last_token_usage`); versions before 0.44 have only the first, the oldest ones have the
numbers in the event itself. The same event is written again where only rate limits changed. The model is that
of the last `turn_context`. A session that was forked, or that a subagent began with its parent's context,
starts with a copy of the parent's events: these keep the parent's identity.

https://github.com/openai/codex: codex-rs/protocol/src/protocol.rs, `TokenUsageInfo`, `RateLimitSnapshot`
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from farebox.histories.agents.agent_log import (
    Request,
    changed,
    from_environment,
    moment_ns,
    project_of,
    provider_name,
    under_home,
)
from farebox.histories.lines import UNREADABLE, Lines, open_file, shown
from farebox.histories.told_call import ToldCall
from farebox.recording.stated_usage import COUNT_MAX

_TOKENS, _CONTEXT, _META = b'"token_count"', b'"turn_context"', b'"session_meta"'
_REQUESTS = (b'"function_call_output"', b'"custom_tool_call_output"', b'"user_message"', b'"role":"user"')
"""What stands near the beginning of a line that goes into the next request."""
_HEAD = 300
_COPIED_NS = 2 * 10**9
"""What of a parent is copied is written at once, when the session begins."""

NO_MODEL = "unknown"
"""The model of calls of which the log names none: they have no price until somebody sets one."""


_NOTHING = msgspec.Raw(b"null")


_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _Usage(msgspec.Struct, frozen=True, gc=False):
    input_tokens: _Count = 0
    cached_input_tokens: _Count = 0
    cache_write_input_tokens: _Count = 0
    output_tokens: _Count = 0
    reasoning_output_tokens: _Count = 0

    def minus(self, before: _Usage) -> _Usage | None:
        """Return what came since; None where it is less than before."""
        names = self.__struct_fields__
        found = [getattr(self, name) - getattr(before, name) for name in names]
        return _Usage(*found) if min(found) >= 0 else None

    def is_nothing(self) -> bool:
        return not (self.input_tokens or self.output_tokens)


class _Info(msgspec.Struct, gc=False):
    total_token_usage: _Usage | None = None
    last_token_usage: _Usage | None = None
    model: str | None = None


class _Limits(msgspec.Struct, gc=False):
    primary: msgspec.Raw = _NOTHING
    secondary: msgspec.Raw = _NOTHING
    primary_used_percent: msgspec.Raw = _NOTHING


class _Git(msgspec.Struct, gc=False):
    branch: str | None = None


class _Payload(msgspec.Struct, gc=False):
    type: str | None = None
    # token_count
    info: _Info | None = None
    rate_limits: _Limits | None = None
    input_tokens: _Count | None = None
    cached_input_tokens: _Count = 0
    output_tokens: _Count = 0
    reasoning_output_tokens: _Count = 0
    # turn_context, session_meta
    model: str | None = None
    id: str | None = None
    cwd: str | None = None
    forked_from_id: str | None = None
    source: msgspec.Raw = _NOTHING
    model_provider: str | None = None
    git: _Git | None = None


class _Line(msgspec.Struct, gc=False):
    type: str = ""
    timestamp: str | None = None
    payload: _Payload | None = None


class _Spawn(msgspec.Struct, gc=False):
    parent_thread_id: str | None = None


class _Subagent(msgspec.Struct, gc=False):
    thread_spawn: _Spawn | None = None


class _Source(msgspec.Struct, gc=False):
    subagent: _Subagent | str | None = None


class _Session(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known of a session at some place of its file."""

    id: str = ""
    parent: str | None = None
    """The session that the beginning of this one is a copy of."""
    began_ns: int = 0
    in_copy: bool = False
    model: str = ""
    provider: str = "openai"
    cwd: str | None = None
    branch: str | None = None
    asked_ns: int = 0
    """When the last thing happened that goes into a request."""
    has_plan: bool = False
    total: _Usage = _Usage()
    count: int = 0


_decode = msgspec.json.Decoder(_Line).decode
_decode_source = msgspec.json.Decoder(_Source).decode


class Codex:
    """Codex CLI on this machine."""

    name = "codex"
    title = "Codex"

    def files(self) -> list[Path]:
        """Return all rollouts, oldest first: their names begin with the time."""
        found: dict[str, Path] = {}
        for folder in from_environment("CODEX_HOME") or [under_home(".codex")]:
            for kind in ("archived_sessions", "sessions"):
                # One that was archived while it was copied is in both.
                found.update((path.name, path) for path in (folder / kind).rglob("rollout-*.jsonl"))
        return [path for _, path in sorted(found.items())]

    def read(self, request: Request, files: Iterable[Path]) -> None:
        """Hand over the calls of these files that were not read before."""
        for path, before in changed(request, files):
            try:
                with open_file(path) as file:
                    lines = Lines(file, before)
                    session = _Session(id=shown(path.stem))
                    if lines.state:
                        session = msgspec.convert(lines.state, _Session)
                    self._read_file(path, lines, session, request)
                    request.positions[str(path)] = lines.position(lines.end, msgspec.to_builtins(session))
            except OSError as error:
                request.reading.miss(f"cannot be read: {error.strerror}", str(path))

    def _read_file(self, path: Path, lines: Lines, session: _Session, request: Request) -> None:
        told = begin = lines.start
        for line in lines:
            if lines.end - told > 1 << 20:
                request.read(lines.end - told)
                told = lines.end
            is_wanted = _TOKENS in line[:_HEAD] or _CONTEXT in line[:_HEAD] or _META in line[:_HEAD]
            if not is_wanted:
                head = line[:_HEAD]
                if any(each in head for each in _REQUESTS):
                    session.asked_ns = _moment_of(head) or session.asked_ns
                begin = lines.end
                continue
            try:
                found = _decode(line)
            except UNREADABLE as error:
                where = f"{path}, byte {begin}"
                request.reading.miss(f"not a line of a rollout: {str(error)[:80]}", where)
                found = None
            begin = lines.end
            if found is not None and found.payload is not None:
                self._take(found, found.payload, session, request, path)
        request.read(lines.end - told)
        if lines.too_long:
            request.reading.miss("lines of more than 16 MiB", str(path), lines.too_long)

    def _take(self, line: _Line, said: _Payload, session: _Session, request: Request, path: Path) -> None:
        moment = moment_ns(line.timestamp)
        if line.type == "session_meta":
            _begin(session, said, moment)
        elif line.type == "turn_context":
            session.model = said.model or session.model
            session.cwd = said.cwd or session.cwd
            session.asked_ns = moment or session.asked_ns
        elif line.type == "event_msg" and said.type == "token_count":
            if said.rate_limits is not None and _has_plan(said.rate_limits):
                session.has_plan = True
            used = _used(said, session)
            if used is None:
                return
            if not moment:
                request.reading.miss("a count of tokens without a time", str(path))
                return
            call = _told(used, session, moment, said, request)
            session.asked_ns = moment
            request.take(call)


def _begin(session: _Session, said: _Payload, moment: int) -> None:
    """Take in a `session_meta`: the first is of the file, further ones are of what was copied."""
    if session.began_ns:
        return
    session.began_ns = moment or 1
    session.id = said.id or session.id
    session.cwd = said.cwd
    session.provider = provider_name(said.model_provider, session.provider)
    session.branch = said.git.branch if said.git is not None else None
    session.parent = said.forked_from_id
    if session.parent is None and bytes(said.source)[:1] == b"{":
        try:
            subagent = _decode_source(said.source).subagent
        except UNREADABLE:
            subagent = None
        if isinstance(subagent, _Subagent) and subagent.thread_spawn is not None:
            session.parent = subagent.thread_spawn.parent_thread_id
    session.in_copy = session.parent is not None


def _used(said: _Payload, session: _Session) -> _Usage | None:
    """Return what a response used, None where the event is of no response."""
    info = said.info
    if info is None:
        if said.input_tokens is None:
            return None
        session.count += 1
        used = _Usage(
            input_tokens=said.input_tokens,
            cached_input_tokens=said.cached_input_tokens,
            output_tokens=said.output_tokens,
            reasoning_output_tokens=said.reasoning_output_tokens,
        )
        return None if used.is_nothing() else used
    total, last = info.total_token_usage, info.last_token_usage
    session.model = info.model or session.model
    if total is None:
        session.count += 1
        return None if last is None or last.is_nothing() else last
    if total == session.total:
        return None  # only the rate limits changed, or the context was counted again
    since = total.minus(session.total)
    is_first = session.total.is_nothing()
    session.total = total
    # Less than before: it is counted from nothing again.
    used = (last or total) if since is None or is_first else since
    return None if used.is_nothing() else used


def _told(used: _Usage, session: _Session, moment: int, said: _Payload, request: Request) -> ToldCall:
    whose = session.id
    if session.in_copy:
        session.in_copy = moment - session.began_ns <= _COPIED_NS
        if session.in_copy:
            whose = session.parent or whose
    total = session.total
    if total.is_nothing():
        identity = f"{whose}/{session.count}"
    else:
        identity = f"{whose}/{total.input_tokens}-{total.cached_input_tokens}-{total.output_tokens}"
    cached = min(used.cached_input_tokens, used.input_tokens)
    written = min(used.cache_write_input_tokens, used.input_tokens - cached)
    reasoning = min(used.reasoning_output_tokens, used.output_tokens)
    usage = {
        "input_uncached": used.input_tokens - cached - written,
        "cache_read": cached,
        "output_text": used.output_tokens - reasoning,
    }
    if written:
        usage["cache_write_other"] = written
    if reasoning:
        usage["output_reasoning"] = reasoning
    by_plan = session.has_plan if request.paid_by == "auto" else request.paid_by == "subscription"
    provider = session.provider
    if provider == "openai" and by_plan:
        provider = "chatgpt"
    if not session.model:
        request.reading.note(f"calls whose log names no model are recorded as model {NO_MODEL!r}, unpriced")
    return ToldCall(
        id=identity,
        time_ns=session.asked_ns if 0 < session.asked_ns <= moment else moment,
        ended_ns=moment,
        provider=provider,
        model=session.model or NO_MODEL,
        usage=usage,
        is_subscription=provider == "chatgpt",
        surface=f"{provider}.responses",
        streamed=True,
        attribution={
            "app": Codex.name,
            "session": session.id,
            "project": project_of(session.cwd),
            "branch": session.branch,
        },
    )


def _has_plan(limits: _Limits) -> bool:
    """Tell whether limits are those of a ChatGPT plan: with an API key there are none of these."""
    stated = (limits.primary, limits.secondary, limits.primary_used_percent)
    return any(bytes(each) != b"null" for each in stated)


def _moment_of(head: bytes) -> int:
    """Return a line's time, which stands first in it."""
    start = head.find(b'"timestamp":"')
    end = head.find(b'"', start + 13)
    return moment_ns(head[start + 13 : end].decode("ascii", "replace")) if 0 <= start < end else 0
