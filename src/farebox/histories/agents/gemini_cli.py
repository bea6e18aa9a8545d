"""Gemini CLI's recorded chats: `tmp/<project>/chats/**` below `~/.gemini`.

Three shapes: one JSON object with `messages` that is written anew with every message (0.6 and later), whose
`content` is text at first and a list of parts later, and one JSON line a message (`.jsonl`, 0.33 and later),
where a message that is written again replaces what was said before. Subagents have files in a folder of their
parent's session. A chat that goes on in the newer shape is copied to a new file: its messages keep their ids.

https://github.com/google-gemini/gemini-cli: packages/core/src/services/chatRecordingTypes.ts
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from farebox.histories.agents.agent_log import (
    SETTLED_NS,
    Request,
    changed,
    from_environment,
    moment_ns,
    under_home,
)
from farebox.histories.lines import LINE_BYTES_MAX, UNREADABLE, Lines, Position, open_file, read_whole, shown
from farebox.histories.told_call import ToldCall

_FILE_BYTES_MAX = 512 << 20


class _Tokens(msgspec.Struct, frozen=True, gc=False):
    input: int = 0
    """`promptTokenCount`: what was cached is in it."""
    output: int = 0
    cached: int = 0
    thoughts: int | None = None
    tool: int | None = None
    total: int | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    timestamp: str | None = None
    type: str | None = None
    tokens: _Tokens | None = None
    model: str | None = None


class _Chat(msgspec.Struct, gc=False, rename="camel"):
    session_id: str | None = None
    start_time: str | None = None
    messages: list[_Message] = []


class _Record(_Message, rename={"session_id": "sessionId", "set_": "$set"}):
    """A line of the newer shape: a message, what is known of the chat, or a change of that."""

    session_id: str | None = None
    set_: _Chat | None = None


class _Auth(msgspec.Struct, rename="camel"):
    selected_type: str | None = None


class _Security(msgspec.Struct):
    auth: _Auth | None = None


class _Settings(msgspec.Struct, rename="camel"):
    security: _Security | None = None
    selected_auth_type: str | None = None


_decode_chat = msgspec.json.Decoder(_Chat).decode
_decode_record = msgspec.json.Decoder(_Record).decode


class GeminiCli:
    """Gemini CLI on this machine."""

    name = "gemini-cli"
    title = "Gemini CLI"

    def files(self) -> list[Path]:
        """Return all recorded chats, by name: they begin with the time."""
        found = {
            path
            for path in (self._folder() / "tmp").glob("*/chats/**/*")
            if path.suffix in (".json", ".jsonl") and path.is_file()
        }
        return sorted(found, key=lambda path: (path.name, str(path)))

    def read(self, request: Request, files: Iterable[Path]) -> None:
        """Hand over the calls of these files that were not read before."""
        provider = self._provider(request)
        for path, before in changed(request, files):
            try:
                with open_file(path) as file:
                    lines = Lines(file, before)
                    if path.suffix == ".jsonl":
                        self._read_lines(path, lines, request, provider)
                    else:
                        self._read_chat(path, file, lines, request, provider)
            except OSError as error:
                request.reading.miss(f"cannot be read: {error.strerror}", str(path))

    def _read_chat(self, path: Path, file: BinaryIO, lines: Lines, request: Request, provider: str) -> None:
        request.read(lines.size)
        if not 0 < lines.size <= _FILE_BYTES_MAX:
            request.reading.miss("a file of no bytes, or of more than 512 MiB", str(path))
            return
        try:
            if request.now_ns - lines.mtime_ns >= SETTLED_NS:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    chat = _decode_chat(content)
            elif lines.size <= LINE_BYTES_MAX:
                file.seek(0)
                chat = _decode_chat(file.read(LINE_BYTES_MAX))  # mapped, its cutting would end this process
            else:
                request.reading.note("chats of more than 16 MiB are read once they are not written to")
                return
        except UNREADABLE as error:
            request.reading.miss(f"not a chat: {str(error)[:80]}", str(path))
            return
        session = chat.session_id or shown(path.stem)
        told = list(_calls(chat.messages, session, provider, 0))
        waits = self._hand_over(told, [], request, lines)
        request.positions[str(path)] = Position(size=-1 if waits else lines.size, mtime_ns=lines.mtime_ns)

    def _read_lines(self, path: Path, lines: Lines, request: Request, provider: str) -> None:
        session = str(lines.state.get("session") or shown(path.stem))
        asked_ns = int(lines.state.get("asked_ns") or 0)
        latest: dict[str, tuple[_Message, int]] = {}
        """The last that was said of each message, and where it was said first."""
        begin = lines.start
        for line in lines:
            place, begin = begin, lines.end
            try:
                found = _decode_record(line)
            except UNREADABLE as error:
                request.reading.miss(f"not a line of a chat: {str(error)[:80]}", f"{path}, byte {place}")
                continue
            session = found.session_id or session
            for each in found.set_.messages if found.set_ is not None else (found,):
                if each.id is not None:
                    latest[each.id] = each, latest.get(each.id, (each, place))[1]
        request.read(lines.end - lines.start)
        if lines.too_long:
            request.reading.miss("lines of more than 16 MiB", str(path), lines.too_long)
        messages = [each for each, _ in latest.values()]
        told = list(_calls(messages, session, provider, asked_ns))
        untold = [place for each, place in latest.values() if each.type == "gemini" and each.tokens is None]
        waits = self._hand_over(told, untold, request, lines)
        end = min(untold) if waits else lines.end
        asked = [moment_ns(each.timestamp) for each, place in latest.values() if place < end]
        state = {"session": session, "asked_ns": max([asked_ns, *asked])}
        request.positions[str(path)] = lines.position(end, state, is_settled=not waits)

    def _hand_over(self, told: Iterable[ToldCall], untold: list[int], request: Request, lines: Lines) -> bool:
        """Hand over calls; tell whether there are some that will be told."""
        for call in told:
            request.take(call)
        waits = bool(untold) and request.now_ns - lines.mtime_ns < SETTLED_NS
        request.reading.waiting += len(untold) if waits else 0
        return waits

    def _folder(self) -> Path:
        named = from_environment("GEMINI_CLI_HOME")
        return (named[0] if named else under_home()) / ".gemini"

    def _provider(self, request: Request) -> str:
        """Return whom the calls are of: a login's plan pays for those of Gemini Code Assist."""
        if request.paid_by != "auto":
            return "gemini-code-assist" if request.paid_by == "subscription" else "google"
        try:
            found = msgspec.json.decode(read_whole(self._folder() / "settings.json"), type=_Settings)
        except (OSError, *UNREADABLE):
            found = _Settings()
        auth = found.security.auth if found.security is not None else None
        chosen = (auth.selected_type if auth is not None else None) or found.selected_auth_type
        request.reading.note(
            f"taken as made with {chosen or 'an API key'}, as its settings say; `--paid-by` says otherwise"
        )
        if chosen == "vertex-ai":
            return "vertex"
        return "gemini-code-assist" if chosen in ("oauth-personal", "cloud-shell") else "google"


def _calls(messages: Iterable[_Message], session: str, provider: str, asked_ns: int) -> Iterator[ToldCall]:
    """Yield what messages say of calls; `asked_ns` is when the message before them was."""
    for each in messages:
        moment = moment_ns(each.timestamp)
        tokens = each.tokens
        if each.type == "gemini" and tokens is not None and each.id and moment and each.model:
            cached = min(tokens.cached, tokens.input)
            usage = {
                "input_uncached": tokens.input - cached,
                "cache_read": cached,
                "output_text": tokens.output,
            }
            if tokens.thoughts:
                usage["output_reasoning"] = tokens.thoughts
            if tokens.tool:
                usage["tool_use_input"] = tokens.tool
            yield ToldCall(
                id=f"{session}/{each.id}",
                time_ns=asked_ns if 0 < asked_ns <= moment else moment,
                ended_ns=moment,
                provider=provider,
                model=each.model,
                usage=usage,
                is_subscription=provider == "gemini-code-assist",
                surface=f"{provider}.generateContent",
                streamed=True,
                attribution={"app": GeminiCli.name, "session": session},
            )
        asked_ns = moment or asked_ns
