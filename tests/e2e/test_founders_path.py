"""The founder's path: docs/guides/bill-your-customers.md, with real calls through the proxy."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from farebox_process import Shell
from tools.upstream import MockUpstream, Reply, Request, chat_answer, json_reply

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "bill-your-customers.md"
CALL = """
import json, os, sys, urllib.request
for model in sys.argv[1:]:
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps({"model": model, "messages": []}).encode(),
        {"Authorization": "Bearer sk-founder", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).read()
"""


def respond(request: Request) -> Reply:
    model = json.loads(request.body)["model"]
    usage = {"prompt_tokens": 100, "completion_tokens": 50_000, "total_tokens": 50_100}
    return json_reply({**chat_answer(usage=usage), "model": model})


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


def months() -> tuple[date, date, date]:
    """Return the first days of this month and of the next two."""
    today = datetime.now(UTC).date().replace(day=1)
    firsts = [today]
    for _ in range(2):
        last = firsts[-1]
        firsts.append(last.replace(year=last.year + last.month // 12, month=last.month % 12 + 1))
    return firsts[0], firsts[1], firsts[2]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def moved(text: str) -> str:
    """Return the guide's text with its months made the ones we are in."""
    first, second, third = months()
    text = text.replace("2026-12-04", f"{second:%Y-%m}-04").replace("2027-01-04", f"{third:%Y-%m}-04")
    return text.replace("2026-11-01", f"{first:%Y-%m-%d}")


class Founder:
    """Types the guide's commands in order."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.commands = [
            line
            for block in blocks("sh")
            for line in moved(block).splitlines()
            if line.startswith("farebox ")
        ]
        self.fingerprint = ""

    def type(self, begins: str) -> str:
        """Type the next command, which begins so, and return what it prints."""
        line = self.commands.pop(0)
        assert line.startswith(f"farebox {begins}"), line
        words = shlex.split(line.replace("FINGERPRINT", self.fingerprint))[1:]
        return self.shell.farebox(*words).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.shell.farebox(*arguments, "--json").stdout)

    def call(self, *models: str) -> None:
        self.shell.farebox("run", "--", sys.executable, "-c", CALL, *models)


@pytest.mark.timeout(280)
def test_the_guide_bills_calls_made_through_the_proxy(tmp_path: Path, upstream: MockUpstream) -> None:
    shell = Shell(
        tmp_path,
        f"listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\nproviders:\n  openai: {{upstream: '{upstream.url}'}}\n"
        "pricing:\n  gpt-4o: {input: 1000, output: 1, per: 1M}\n"
        "  mini: {input: 1000, output: 2, per: 1M}\n" + moved(blocks("yaml")[0]),
    )
    founder = Founder(shell)
    founder.call("gpt-4o")  # before the key is bound: nobody's
    founder.type("by key")
    founder.fingerprint = shell.rows()[0]["key_fingerprint"]
    founder.type("keys label")
    founder.call("gpt-4o", "gpt-4o", "mini", "brand-new")
    assert "Acme Inc." in founder.type("invoices preview")

    # A call without a price holds the invoice back until it is accepted.
    second = f"{months()[1]:%Y-%m}-04"
    refused = shell.farebox("invoices", "run", "--as-of", second, status=1)
    assert "1 call of acme has no price" in refused.stderr
    shell.farebox("invoices", "run", "--as-of", second, "--accept-unpriced")
    founder.type("invoices run")  # changes nothing
    assert "INV-000001" in founder.type("invoices list")
    founder.type("invoices show")
    first = founder.json("invoices", "show", "INV-000001")
    lines = {line["title"]: line for line in first["invoice"]["lines"]}
    assert lines["GPT output"]["exact"] == "2"  # 2 × 50,000 × 20 for a million
    # Input of two gpt-4o calls, and all of mini: (0.1 + 0.1 + 0.1 + 0.1) dollars and 20 %
    assert Fraction(lines["Everything else"]["exact"]) == Fraction(4, 10) * Fraction(6, 5)
    assert lines["Everything else"]["unpriced_calls"] == 1

    assert "rounded once" in founder.type("explain")
    for line in (lines["GPT output"], lines["Everything else"]):
        explained = founder.json("explain", f"INV-000001/{line['id']}")["explanation"]
        assert explained["adds_up"], explained
        assert sum(Fraction(call["quantity"]) for call in explained["calls"]) == Fraction(line["quantity"])
    founder.type("invoices export")
    assert "INV-000001" in (tmp_path / "invoice.html").read_text()

    # A late call, and a correction: the model without a price gets one.
    founder.call("gpt-4o")
    shell.farebox("prices", "set", "brand-new", "input=1000", "output=1", "--from", "ever")
    shell.farebox("rerate", "--apply")
    founder.type("invoices credit")
    assert "credited 0.12 USD" in founder.type("invoices show")
    assert founder.json("invoices", "list")["credit_notes"][0]["total"] == "0.12"

    founder.type("invoices run")
    founder.type("invoices show")
    assert founder.commands == []
    adjusted = {
        line["title"]: line
        for line in founder.json("invoices", "show", "INV-000002")["invoice"]["lines"]
        if line["kind"] == "adjustment"
    }
    assert adjusted["GPT output"]["exact"] == "1"
    assert Fraction(adjusted["Everything else"]["exact"]) == (Fraction(1, 10) + Fraction(15, 100)) * Fraction(
        6, 5
    )
    explained = founder.json("explain", f"INV-000002/{adjusted['Everything else']['id']}")["explanation"]
    assert explained["adds_up"] and {call["model"] for call in explained["calls"]} == {"gpt-4o", "brand-new"}
    again = founder.json("invoices", "show", "INV-000001")
    assert (again["sha256"], again["invoice"]) == (first["sha256"], first["invoice"])
