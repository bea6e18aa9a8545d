"""Claude Code's transcripts: `projects/**/*.jsonl` below `~/.claude` and `~/.config/claude`.

Every content block of a response is a line with the response's id and the usage known by then; resumed
sessions and side questions copy lines of others into files of their own, subagents have files below their
session's folder. A call is told by `message.id`; of its lines the last complete one (with a `stop_reason`)
counts. The shapes are those of versions 1 (flat files, subagents in between), 2.0 (a folder for subagents)
and 2.1 (`progress` lines that repeat a subagent's messages).

https://code.claude.com/docs/en/data-usage and https://code.claude.com/docs/en/sub-agents
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from farebox.histories.agents.agent_log import (
    SETTLED_NS,
    Request,
    changed,
    from_environment,
    moment_ns,
    project_of,
    under_home,
)
from farebox.histories.lines import UNREADABLE, Lines, open_file, read_whole
from farebox.histories.told_call import ToldCall

_USAGE, _ASSISTANT = b'"usage"', b'"assistant"'
_OPEN_MAX = 2_000
"""Of one file so many calls are kept at most while further lines of them may come, of either kind."""
_LATE_MAX = 20_000
"""Of all files so many calls are kept at most whose end another file may tell."""

_PLATFORMS = (("msg_bdrk_", "bedrock"), ("msg_vrtx_", "vertex"))
"""How ids of responses begin that came through a cloud. Those of Anthropic itself begin with `msg_`."""

_OTHER_MODELS = (
    ("glm", "zai"),
    ("kimi", "moonshot"),
    ("deepseek", "deepseek"),
    ("minimax", "minimax"),
    ("qwen", "alibaba"),
    ("gpt", "openai"),
    ("gemini", "google"),
    ("grok", "xai"),
)
"""Whose models are asked through an address that speaks Anthropic's format."""

_MADE_UP = "<synthetic>"
"""The model of messages that Claude Code writes itself."""


_NOTHING = msgspec.Raw(b"null")


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = _NOTHING


class _Line(msgspec.Struct, gc=False, rename="camel"):
    type: str = ""
    timestamp: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    agent_id: str | None = None
    is_sidechain: bool = False
    is_api_error_message: bool = False
    cwd: str | None = None
    git_branch: str | None = None
    cost_usd: Decimal | None = msgspec.field(default=None, name="costUSD")
    message: _Message | None = None


class _Inner(msgspec.Struct, gc=False):
    message: _Line | None = None


class _Progress(msgspec.Struct, gc=False, rename="camel"):
    timestamp: str | None = None
    session_id: str | None = None
    cwd: str | None = None
    git_branch: str | None = None
    data: _Inner | None = None


class _Account(msgspec.Struct):
    oauth_account: msgspec.Raw = msgspec.field(default=_NOTHING, name="oauthAccount")
    primary_api_key: msgspec.Raw = msgspec.field(default=_NOTHING, name="primaryApiKey")


class _Best(msgspec.Struct, gc=False):
    """The line of a call that counts so far."""

    line: _Line
    usage: bytes
    is_complete: bool
    first_ns: int
    offset: int
    """Where its first line begins."""


_decode_type = msgspec.json.Decoder(_Line).decode
_decode_progress = msgspec.json.Decoder(_Progress).decode
_decode_usage = msgspec.json.Decoder(dict[str, Any]).decode


class ClaudeCode:
    """Claude Code on this machine."""

    name = "claude-code"
    title = "Claude Code"

    def files(self) -> list[Path]:
        """Return all transcripts, oldest first."""
        found = {path for folder in self._folders() for path in (folder / "projects").rglob("*.jsonl")}
        return sorted(found, key=_age)

    def read(self, request: Request, files: Iterable[Path]) -> None:
        """Hand over the calls of these files that were not read before."""
        by_login = self._is_by_login(request)
        late: dict[str, _Best] = {}
        waiting: set[str] = set()
        for path, before in changed(request, files):
            try:
                with open_file(path) as file:
                    lines = Lines(file, before)
                    best = self._read_file(path, lines, request, by_login, late)
                    end = lines.end
                    if best and request.now_ns - lines.mtime_ns < SETTLED_NS:
                        # The rest of these calls is being written: they are read again.
                        end = min(each.offset for each in best.values())
                        request.reading.waiting += len(best)
                        waiting.update(best)
                    else:
                        late.update(best)
                    request.positions[str(path)] = lines.position(end, is_settled=end == lines.end)
            except OSError as error:
                request.reading.miss(f"cannot be read: {error.strerror}", str(path))
            if len(late) > _LATE_MAX:
                _tell_oldest(late, request, by_login, keep=_LATE_MAX // 2)
        for each in waiting:
            late.pop(each, None)
        # Nobody has told the end of these: what is known is less than there was.
        _tell_oldest(late, request, by_login, keep=0)

    def _read_file(
        self, path: Path, lines: Lines, request: Request, by_login: bool, late: dict[str, _Best]
    ) -> dict[str, _Best]:
        """Hand over what is complete in one file, and return the calls that are not; too many become late."""
        complete: dict[str, _Best] = {}
        incomplete: dict[str, _Best] = {}
        reading = request.reading
        told = start = lines.start
        for line in lines:
            start, begin = lines.end, start
            if lines.end - told > 1 << 20:
                request.read(lines.end - told)
                told = lines.end
            if _USAGE not in line or _ASSISTANT not in line:
                continue
            try:
                found = _line_of(line)
            except UNREADABLE as error:
                reading.miss(f"not a line of a transcript: {str(error)[:80]}", f"{path}, byte {begin}")
                continue
            if found is None:
                continue
            said = found.message
            if said is None or said.model == _MADE_UP:
                continue
            moment = moment_ns(found.timestamp)
            if not (moment and said.id and said.model and bytes(said.usage).startswith(b"{")):
                reading.miss("a response without time, id, model or usage", f"{path}, byte {begin}")
                continue
            key = _key(found)
            known = complete.pop(key, None) or incomplete.pop(key, None)
            if known is None:
                known = _Best(found, bytes(said.usage), said.stop_reason is not None, moment, begin)
            else:
                reading.copies += 1
                if said.stop_reason is not None or not known.is_complete:
                    known.line, known.usage = found, bytes(said.usage)
                    known.is_complete = said.stop_reason is not None
            said.usage = _NOTHING  # else the whole line is kept
            (complete if known.is_complete else incomplete)[key] = known
            if len(complete) > _OPEN_MAX:
                _tell_oldest(complete, request, by_login, keep=_OPEN_MAX // 2)
            if len(incomplete) > _OPEN_MAX:
                for each in list(incomplete)[: _OPEN_MAX // 2]:
                    late[each] = incomplete.pop(each)
                if len(late) > _LATE_MAX:
                    _tell_oldest(late, request, by_login, keep=_LATE_MAX // 2)
        request.read(lines.end - told)
        if lines.too_long:
            reading.miss("lines of more than 16 MiB", str(path), lines.too_long)
        _tell_oldest(complete, request, by_login, keep=0)
        return incomplete

    def _folders(self) -> list[Path]:
        return from_environment("CLAUDE_CONFIG_DIR") or [
            under_home(".config", "claude"),
            under_home(".claude"),
        ]

    def _is_by_login(self, request: Request) -> bool:
        """Tell whether calls are made with a login, which a subscription pays for."""
        if request.paid_by != "auto":
            return request.paid_by == "subscription"
        places = [folder / ".claude.json" for folder in from_environment("CLAUDE_CONFIG_DIR")]
        for path in places or [under_home(".claude.json")]:
            try:
                account = msgspec.json.decode(read_whole(path), type=_Account)
            except (OSError, *UNREADABLE):
                continue
            if bytes(account.oauth_account) != b"null" and bytes(account.primary_api_key) == b"null":
                request.reading.note(
                    "taken as paid by a subscription, since Claude Code is signed in and has no API key; "
                    "`--paid-by api` says otherwise"
                )
                return True
        request.reading.note("taken as paid by the token; `--paid-by subscription` says otherwise")
        return False


def _line_of(line: bytes) -> _Line | None:
    """Return a response's line, None for one of another type."""
    found = _decode_type(line)
    if found.type == "assistant":
        return None if found.is_api_error_message else found
    if found.type == "progress":
        outer = _decode_progress(line)
        inner = outer.data.message if outer.data is not None else None
        if inner is not None and inner.type == "assistant" and not inner.is_api_error_message:
            inner.timestamp = inner.timestamp or outer.timestamp
            inner.session_id = inner.session_id or outer.session_id
            inner.cwd = inner.cwd or outer.cwd
            inner.git_branch = inner.git_branch or outer.git_branch
            return inner
    return None


def _key(line: _Line) -> str:
    """Return which call a line is of. Ids of other servers are not unique without the request's."""
    said = line.message
    identity = (said.id if said is not None else None) or ""
    return identity if identity.startswith("msg_") else f"{identity}/{line.request_id or ''}"


def _tell_oldest(calls: dict[str, _Best], request: Request, by_login: bool, *, keep: int) -> None:
    """Hand over calls, those with the oldest lines first."""
    for key in list(calls)[: len(calls) - keep]:
        _tell(calls.pop(key), request, by_login)


def _tell(best: _Best, request: Request, by_login: bool) -> None:
    try:
        request.take(_told(best, by_login))
    except UNREADABLE as error:
        request.reading.miss(f"usage that cannot be read: {str(error)[:80]}", _key(best.line))


def _told(best: _Best, by_login: bool) -> ToldCall:
    line, said = best.line, best.line.message or _Message()
    model, identity = said.model or "", said.id or ""
    provider = next((name for start, name in _PLATFORMS if identity.startswith(start)), "anthropic")
    lowered = model.lower()
    provider = next((name for start, name in _OTHER_MODELS if lowered.startswith(start)), provider)
    ended = moment_ns(line.timestamp)
    return ToldCall(
        id=_key(line),
        time_ns=min(best.first_ns, ended),
        ended_ns=max(best.first_ns, ended),
        provider=provider,
        model=model,
        usage=_decode_usage(best.usage),
        completeness=None if best.is_complete else "partial",
        reason=None if best.is_complete else "log_without_end",
        is_subscription=by_login and provider == "anthropic",
        stated_usd=line.cost_usd,
        response_id=identity or None,
        request_id=line.request_id,
        surface=f"{provider}.messages",
        streamed=True,
        attribution={
            "app": ClaudeCode.name,
            "session": line.session_id,
            "agent": line.agent_id,
            "project": project_of(line.cwd),
            "branch": line.git_branch,
        },
    )


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, str(path)
    except OSError:
        return 0, str(path)
