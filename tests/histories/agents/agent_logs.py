"""Write logs as the agents do, and read them as an import does."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farebox.clock import iso
from farebox.histories.agents.agent_log import SETTLED_NS, AgentLog, Payer, Request
from farebox.histories.lines import Position
from farebox.histories.progress import Reading
from farebox.histories.told_call import ToldCall

SECOND = 10**9
NOON = 1_780_000_000_000_000_000
LATER = NOON + 100 * SETTLED_NS
"""When logs are read that nobody writes to any more."""


class Reader:
    """Reads an agent's logs again and again, and keeps the positions in between."""

    def __init__(self, agent: AgentLog) -> None:
        self.agent = agent
        self.positions: dict[str, Position] = {}
        self.reading = Reading(history=agent.name)

    def calls(self, now_ns: int = LATER, paid_by: Payer = "auto") -> list[ToldCall]:
        """Return what is told now; of several with one id the first, as a writer takes them."""
        told: list[ToldCall] = []
        self.reading = Reading(history=self.agent.name)
        request = Request(self.positions, told.append, self.reading, lambda count: None, now_ns, paid_by)
        self.agent.read(request, self.agent.files())
        return list({each.id: each for each in reversed(told)}.values())[::-1]


def write_lines(path: Path, lines: Sequence[Any], *, at_ns: int = NOON, append: bool = False) -> Path:
    """Write JSON lines, last changed at a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if append else "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each, separators=(",", ":")) + "\n" for each in lines)
    os.utime(path, ns=(at_ns, at_ns))
    return path


def write_json(path: Path, content: Any, *, at_ns: int = NOON) -> Path:
    """Write one JSON file, last changed at a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    os.utime(path, ns=(at_ns, at_ns))
    return path


def claude_line(
    number: int,
    *,
    at_s: int = 0,
    output: int = 50,
    stop: str | None = "end_turn",
    session: str = "s1",
    usage: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a response's line of a Claude Code transcript."""
    message = {
        "id": more.pop("id", f"msg_{number:04d}"),
        "type": "message",
        "role": "assistant",
        "model": more.pop("model", "claude-sonnet-4-5-20250929"),
        "content": [{"type": "text", "text": 'Here is the "usage" of it.'}],
        "stop_reason": stop,
        "usage": usage
        or {
            "input_tokens": 10,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60},
            "output_tokens": output,
            "service_tier": "standard",
        },
    }
    return {
        "parentUuid": None,
        "isSidechain": False,
        "cwd": "/home/ann/shop",
        "sessionId": session,
        "version": "2.0.14",
        "gitBranch": "main",
        "message": message,
        "requestId": more.pop("request", f"req_{number:04d}"),
        "type": "assistant",
        "uuid": f"u{number}-{at_s}-{output}",
        "timestamp": iso(NOON + at_s * SECOND),
        **more,
    }


def asked(at_s: int = 0, session: str = "s1") -> dict[str, Any]:
    """Return a user's line of a Claude Code transcript."""
    message = {"role": "user", "content": 'What is "usage" of an "assistant"?'}
    return {"type": "user", "sessionId": session, "timestamp": iso(NOON + at_s * SECOND), "message": message}


def codex_line(kind: str, payload: dict[str, Any], at_s: float = 0) -> dict[str, Any]:
    """Return a line of a rollout."""
    return {"timestamp": iso(NOON + int(at_s * SECOND)), "type": kind, "payload": payload}


def codex_usage(tokens: Sequence[int]) -> dict[str, int]:
    """Return input, cached, output and reasoning as Codex spells them."""
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens")
    return {**dict(zip(names, tokens, strict=True)), "total_tokens": tokens[0] + tokens[2]}


def codex_count(
    total: Sequence[int] | None, last: Sequence[int] | None, at_s: float = 0, limits: Any = None
) -> dict[str, Any]:
    """Return the line of what a response used."""
    info: dict[str, Any] = {"model_context_window": 272_000}
    if total is not None:
        info["total_token_usage"] = codex_usage(total)
    if last is not None:
        info["last_token_usage"] = codex_usage(last)
    return codex_line("event_msg", {"type": "token_count", "info": info, "rate_limits": limits}, at_s)
