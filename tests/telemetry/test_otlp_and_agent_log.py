"""One physical call seen by proxy, SDK, a library's spans and Claude Code's own log is one row."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
from agent_logs import LATER, claude_line, write_lines
from calls import TestLedger, sums_of
from test_otlp_one_call import responses_of, seen_by_others

from farebox.catalog import load
from farebox.clock import iso
from farebox.histories.agents.agent_log import Request
from farebox.histories.agents.claude_code import ClaudeCode
from farebox.histories.progress import Reading
from farebox.histories.told_call import Teller, ToldCall
from farebox.home import Home
from farebox.journal.records import IMPORTED, Done
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader


def logged(user: Path, seen: Done) -> Done:
    """Return what Claude Code's log says of a call that it made."""
    found = seen.extraction
    usage = json.loads(found.raw_usage or "{}") or {
        "input_tokens": found.parts[0].quantities.get("input_uncached", 0),
        "cache_read_input_tokens": found.parts[0].quantities.get("cache_read", 0),
        "output_tokens": found.parts[0].output_tokens,
    }
    usage = {name: number for name, number in usage.items() if isinstance(number, int)}
    line = claude_line(1, id=found.response_id, model=found.response_model, usage=usage)
    line["timestamp"] = iso(seen.ended_at_ns)
    write_lines(user / ".claude" / "projects" / "p" / "s1.jsonl", [line])
    told: list[ToldCall] = []
    agent = ClaudeCode()
    request = Request({}, told.append, Reading(history=agent.name), lambda count: None, LATER)
    agent.read(request, agent.files())
    return Teller(load(), agent.name, "agent_log").done(told[0], LATER, imported=True)


@pytest.mark.parametrize(
    ("library", "every"), [("anthropic", 1), ("openinference", 5), ("pydantic", 5), ("traceloop", 5)]
)
def test_a_call_of_four_kinds_of_witness_is_one_row_with_one_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, every: int
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    calls = [
        seen
        for seen in responses_of(library)
        if (seen[0].extraction.response_id or "").startswith("msg_") and seen[0].provider == "anthropic"
    ]
    assert calls
    spans = calls[0][:1]
    proxy, sdk = seen_by_others(spans[0])
    log = logged(tmp_path, proxy)
    costs: set[int] = set()
    for number, order in enumerate(list(permutations([proxy, sdk, *spans, log]))[::every]):
        ledger = TestLedger(Home(tmp_path / f"home-{number}"))
        for each in order:
            ledger.append(each)
        (row,) = LedgerReader(ledger.home).export()
        assert sorted(each.kind for each in row.witnesses) == sorted(
            ["agent_log", "proxy", "sdk", spans[0].witness]
        )
        assert IMPORTED not in row.attribution
        assert sums_of(ledger.home).calls == 1
        costs.add(row.cost_pico or 0)
        if not number:
            assert verify(ledger.home).problems == []
        ledger.connection.close()
    assert len(costs) == 1
    assert costs != {0}
