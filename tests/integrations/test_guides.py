"""The code of the guides runs as it stands, and its calls have the names that the guides promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from frameworks import ROOT, Programs, named, tree

GUIDES = ROOT / "docs" / "guides" / "integrations"
PLANNED = {"": {"travel-agent"}}


@pytest.mark.parametrize(
    ("guide", "environment", "names", "steps"),
    [
        ("langchain", "newest", {"agent": "travel-agent", "customer": "acme", "session": "trip-1"},
         {**PLANNED, "travel-agent": {"weather"}, "weather": {"summary"}}),
        ("llama-index", "openai_2", {"agent": "travel-agent", "customer": "acme", "session": "trip-1"},
         {**PLANNED, "travel-agent": {"weather"}, "weather": {"RetrieverQueryEngine"}}),
        ("litellm", "newest",
         {"agent": "travel-agent", "customer": "acme", "session": "trip-1", "user": "u-1"}, {}),
        ("openai-agents", "newest",
         {"agent": "travel-agent", "customer": "acme", "session": "trip-1", "tag.chain": "trips"},
         {"": {"trips"}, "trips": {"travel-agent"}}),
        ("pydantic-ai", "newest", {"agent": "travel-agent", "customer": "acme", "session": "trip-1"},
         PLANNED),
        ("crewai", "openai_2",
         {"agent": "Forecaster", "customer": "acme", "session": "trip-1", "tag.chain": "newsroom",
          "task": "forecast"},
         {"": {"newsroom"}, "newsroom": {"forecast"}, "forecast": {"Forecaster"}}),
        ("anthropic", "newest", {"agent": "support", "customer": "acme", "tag.feature": "help"}, {}),
    ],
)  # fmt: skip
def test_a_guides_code_runs_as_it_stands(
    guide: str,
    environment: str,
    names: dict[str, str],
    steps: dict[str, set[str]],
    programs: Programs,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    whole: None,
) -> None:
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    program = tmp_path / "guide.py"
    program.write_text(code, encoding="utf-8")
    programs.run(request.getfixturevalue(environment), program)
    rows = programs.metered.rows()
    assert rows and {row.status for row in rows} == {200}
    assert names.items() <= {**rows[-1].attribution, **named(rows[-1])}.items()
    assert tree(rows) == steps
