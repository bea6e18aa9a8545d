"""opencode's messages: files below `storage/` in `~/.local/share/opencode`, or its `opencode.db`.

Every step of an agent is an assistant's message with the tokens of one call. Until 0.5 a project's messages
were below `project/*/storage/session/message/`, then in `storage/message/<session>/<id>.json`; from 1.2 on
they are rows of the table `message`, to which the files were migrated: their ids stay. Input is without what
was cached; output is without reasoning, except where `total` says that reasoning is in it.

https://github.com/anomalyco/opencode: packages/opencode/src/session/message-v2.ts and session.sql.ts
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from farebox.histories.agents.agent_log import (
    SETTLED_NS,
    Request,
    from_environment,
    project_of,
    provider_name,
    under_home,
)
from farebox.histories.agents.positions import FILES, ROWS
from farebox.histories.lines import LINE_BYTES_MAX, UNREADABLE, Position, read_whole, shown
from farebox.histories.told_call import ToldCall
from farebox.money import INT64_MAX

_MS = 10**6
_OVERLAP_NS = 3_600 * 10**9
"""So much of what was read is looked at again: files and rows change a little after their time says."""

_MESSAGES = f"""
    SELECT CAST(id AS BLOB), CAST(session_id AS BLOB), CAST(time_updated AS INTEGER),
        CASE WHEN length(data) <= {LINE_BYTES_MAX} THEN CAST(data AS BLOB) END
    FROM message WHERE time_updated >= ? ORDER BY time_updated
"""  # noqa: S608 - a number of ours
_MS_MAX = INT64_MAX // _MS

_PROVIDERS = {
    "amazon-bedrock": "bedrock",
    "google-vertex": "vertex",
    "google-vertex-anthropic": "vertex",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "moonshotai": "moonshot",
    "lmstudio": "local",
}
"""What opencode (models.dev) calls providers that have another name here."""


_NOTHING = msgspec.Raw(b"null")


class _Cache(msgspec.Struct, frozen=True, gc=False):
    read: int = 0
    write: int = 0


class _Tokens(msgspec.Struct, frozen=True, gc=False):
    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache: _Cache = _Cache()
    total: int | None = None


class _Time(msgspec.Struct, gc=False):
    created: Decimal | None = None
    completed: Decimal | None = None


class _Path(msgspec.Struct, gc=False):
    cwd: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    session_id: str | None = msgspec.field(default=None, name="sessionID")
    role: str | None = None
    provider: str | None = msgspec.field(default=None, name="providerID")
    model: str | None = msgspec.field(default=None, name="modelID")
    agent: str | None = None
    mode: str | None = None
    time: _Time | None = None
    path: _Path | None = None
    cost: Decimal | None = None
    tokens: _Tokens | None = None
    error: msgspec.Raw = _NOTHING


_decode = msgspec.json.Decoder(_Message).decode


class Opencode:
    """opencode on this machine."""

    name = "opencode"
    title = "opencode"

    def files(self) -> list[Path]:
        """Return the folders of messages and the databases that there are."""
        found: list[Path] = []
        for folder in self._folders():
            found += [path for path in (folder / "storage" / "message",) if path.is_dir()]
            found += sorted(folder.glob("project/*/storage/session/message"))
            databases = sorted(folder.glob("opencode.db")) + sorted(folder.glob("opencode-*.db"))
            found += [path for path in databases if path.is_file()]
        return found

    def read(self, request: Request, files: Iterable[Path]) -> None:
        """Hand over the calls of these folders and databases that were not read before."""
        for path in files:
            kind = FILES if path.is_dir() else ROWS
            key = f"{path}{kind}"
            # `mtime_ns` is the newest time that was read.
            before = request.positions.get(key, Position())
            since = max(before.mtime_ns - _OVERLAP_NS, request.since_ns)
            newest, waits_from = before.mtime_ns, None
            try:
                told = (
                    self._files(path, since, request) if kind == FILES else self._rows(path, since, request)
                )
                for place, text, moment_ns, session, identity in told:
                    newest = max(newest, moment_ns)
                    if self._take(place, text, session, identity, request):
                        waits_from = min(moment_ns, waits_from or moment_ns)
            except OSError as error:
                request.reading.miss(f"cannot be read: {error.strerror}", str(path))
                continue
            request.positions[key] = Position(mtime_ns=newest if waits_from is None else waits_from)

    def _files(
        self, folder: Path, since_ns: int, request: Request
    ) -> Iterator[tuple[str, bytes, int, str | None, str | None]]:
        """Yield the messages in files: place, text, time of change, session and id."""
        for parent, _, names in os.walk(folder):
            for name in sorted(names):
                path = Path(parent, name)
                if path.suffix != ".json":
                    continue
                try:
                    changed_ns = path.stat().st_mtime_ns
                    if changed_ns < since_ns:
                        continue
                    text = read_whole(path)
                except OSError as error:
                    request.reading.miss(f"cannot be read: {error.strerror}", str(path))
                    continue
                request.reading.files += 1
                request.read(len(text))
                yield str(path), text, changed_ns, shown(path.parent.name), shown(path.stem)

    def _rows(
        self, path: Path, since_ns: int, request: Request
    ) -> Iterator[tuple[str, bytes, int, str | None, str | None]]:
        """Yield the messages in a database, which opencode may be writing to."""
        import apsw

        request.reading.files += 1
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        except apsw.Error as error:
            request.reading.miss(f"not a database of opencode: {error}", str(path))
            return
        try:
            connection.set_busy_timeout(2_000)
            rows: Iterator[tuple[Any, ...]] = connection.execute(_MESSAGES, (since_ns // _MS,))  # pyright: ignore[reportUnknownMemberType]
            for id_bytes, session_bytes, updated, data in rows:
                identity, session = (
                    each.decode("utf-8", "replace") if each is not None else None
                    for each in (id_bytes, session_bytes)
                )
                place = f"{path}, message {identity}"
                if data is None or not 0 <= updated <= _MS_MAX:
                    request.reading.miss("a message without text or time, or of more than 16 MiB", place)
                    continue
                request.read(len(data))
                yield place, data, updated * _MS, session, identity
        except apsw.Error as error:
            request.reading.miss(f"not a database of opencode: {error}", str(path))
        finally:
            connection.close()

    def _take(
        self, place: str, text: bytes, session: str | None, identity: str | None, request: Request
    ) -> bool:
        """Hand over the call of a message; tell whether its end is still to come."""
        try:
            found = _decode(text)
        except UNREADABLE as error:
            request.reading.miss(f"not a message: {str(error)[:80]}", place)
            return False
        if found.role != "assistant" or found.tokens is None or found.time is None:
            return False
        tokens, cache = found.tokens, found.tokens.cache
        if not (tokens.input or tokens.output or tokens.reasoning or cache.read or cache.write):
            return False
        began, ended = _moment_ns(found.time.created), _moment_ns(found.time.completed)
        if not began or not found.provider or not found.model:
            request.reading.miss("a message without time, provider or model", place)
            return False
        is_complete = bool(ended) or bytes(found.error) != b"null"
        if not is_complete and request.now_ns - began < SETTLED_NS:
            request.reading.waiting += 1
            return True
        request.take(self._told(found, began, ended, session, identity, request))
        return False

    def _told(
        self,
        found: _Message,
        began: int,
        ended: int,
        session: str | None,
        identity: str | None,
        request: Request,
    ) -> ToldCall:
        name = provider_name(found.provider, "unknown")
        provider = _PROVIDERS.get(name, name)
        tokens = found.tokens or _Tokens()
        by_login = request.paid_by == "subscription"
        if request.paid_by == "auto" and provider in ("anthropic", "openai") and found.cost == 0:
            # opencode counts no cost where it is signed in to a plan.
            by_login = True
        if by_login and provider == "openai":
            provider = "chatgpt"
        return ToldCall(
            id=identity or found.id or "",
            time_ns=began,
            ended_ns=ended,
            provider=provider,
            model=found.model or "",
            usage=_usage(tokens, provider),
            is_subscription=by_login and provider in ("anthropic", "chatgpt"),
            completeness=None if ended or bytes(found.error) != b"null" else "partial",
            reason=None if ended or bytes(found.error) != b"null" else "log_without_end",
            stated_usd=found.cost or None,
            streamed=True,
            surface=f"{provider}.other",
            attribution={
                "app": Opencode.name,
                "session": found.session_id or session,
                "agent": found.agent or found.mode,
                "project": project_of(found.path.cwd if found.path is not None else None),
            },
        )

    def _folders(self) -> list[Path]:
        named = from_environment("OPENCODE_DATA_DIR")
        data = [each / "opencode" for each in from_environment("XDG_DATA_HOME")]
        return named or data or [under_home(".local", "share", "opencode")]


def _moment_ns(milliseconds: Decimal | None) -> int:
    """Return a moment, 0 where there is none that records can have."""
    if milliseconds is None or not 0 < milliseconds <= _MS_MAX:
        return 0
    return int(milliseconds * _MS)


def _usage(tokens: _Tokens, provider: str) -> dict[str, int]:
    cache = tokens.cache
    output = tokens.output
    without = tokens.input + output + cache.read + cache.write
    if tokens.total is not None and tokens.reasoning and tokens.total == without:
        output = max(output - tokens.reasoning, 0)  # reasoning is in the output
    usage = {"input_uncached": tokens.input, "output_text": output}
    if tokens.reasoning:
        usage["output_reasoning"] = tokens.reasoning
    if cache.read:
        usage["cache_read"] = cache.read
    if cache.write:
        usage["cache_write_5m" if provider in ("anthropic", "bedrock", "vertex") else "cache_write_other"] = (
            cache.write
        )
    return usage
