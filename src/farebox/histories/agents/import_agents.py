"""Read the logs of all agents on this machine into a state directory, from where the last reading ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from farebox.catalog import Catalog
from farebox.clock import now_ns
from farebox.histories.agents.agent_log import AgentLog, Payer, Request
from farebox.histories.agents.claude_code import ClaudeCode
from farebox.histories.agents.codex import Codex
from farebox.histories.agents.gemini_cli import GeminiCli
from farebox.histories.agents.opencode import Opencode
from farebox.histories.agents.positions import Positions
from farebox.histories.bulk_writer import BulkWriter
from farebox.histories.progress import Reading, Told
from farebox.home import Home

AGENTS: tuple[AgentLog, ...] = (ClaudeCode(), Codex(), GeminiCli(), Opencode())


def found(agents: Iterable[AgentLog] = AGENTS) -> list[AgentLog]:
    """Return the agents that have logs on this machine."""
    return [each for each in agents if each.files()]


def import_agents(
    home: Home,
    catalog: Catalog,
    positions: Positions,
    *,
    agents: Sequence[AgentLog] = AGENTS,
    since_ns: int = 0,
    paid_by: Payer = "auto",
    live_since_ns: int | None = None,
    dry_run: bool = False,
    told: Told | None = None,
    clock: Callable[[], int] = now_ns,
) -> list[Reading]:
    """Return what was read of each agent; `positions` are changed once all of it survives a power cut.

    With `since_ns` they say how far the calls from then on were read: they are to be kept in no file.

    `live_since_ns`: calls from then on were made while they were followed: they count in budgets.

    Raises:
        JournalError: Not everything could be written; what is missing is read again next time.
    """
    readings: list[Reading] = []
    for agent in agents:
        files = agent.files()
        if not files:
            continue
        reading = Reading(history=agent.name)
        total = sum(map(_size, files))

        def read(count: int, reading: Reading = reading, total: int = total) -> None:
            reading.read_bytes += count
            if told is not None:
                told(reading, reading.read_bytes, total)

        writer = BulkWriter(
            home,
            catalog,
            reading,
            witness="agent_log",
            since_ns=since_ns,
            live_since_ns=live_since_ns,
            dry_run=dry_run,
        )
        kept = dict(positions.of(agent.name))
        request = Request(kept, writer.take, reading, read, clock(), paid_by, since_ns)
        try:
            agent.read(request, files)
            writer.flush()
        finally:
            writer.close()
        if not dry_run:
            positions.agents[agent.name] = kept
        readings.append(reading)
    return readings


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it is gone
