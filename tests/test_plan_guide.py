"""docs/guides/plans.md: every example is read as a plan and comes to the amounts that stand below it."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from farebox import yamltext
from farebox.charges.amounts.charge_amount import Usage
from farebox.charges.amounts.plan_amount import ChargeUsage, Rounding, plan_amounts
from farebox.charges.models import Bucketed, CreditConversion, Percentage
from farebox.charges.plan import Charge, Plan
from farebox.charges.plan_reader import SECTIONS, consistency_findings, read_billing_terms
from farebox.charges.plan_reader import charges as charge_reader
from farebox.charges.plan_reader import plans as plan_reader
from farebox.charges.plan_reader.charges import METERS
from farebox.charges.plan_reader.where import DIMENSIONS

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
TEXT = (GUIDES / "plans.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"```yaml\n(.*?)```\n(?:\n\| usage \| comes to \|\n\|---\|---\|\n((?:\|[^\n]*\|\n)+))?", re.DOTALL
)
EXAMPLES = [(found[1], found[2] or "") for found in EXAMPLE.finditer(TEXT)]


def plan_of(text: str) -> Plan:
    """Return the one plan of an example, of which most leave out the lines above it."""
    if not text.startswith(tuple(f"{section}:" for section in SECTIONS)):
        text = "plans:\n  p:\n" + "".join(f"    {line}\n" for line in text.splitlines())
    root, findings = yamltext.parse(text, "plans.md")
    assert root is not None, findings
    terms = read_billing_terms(dict(root.items()), findings)
    findings += consistency_findings(terms)
    assert findings == []
    (plan,) = terms.plans.values()
    return plan


def used(charge: Charge, text: str) -> ChargeUsage:
    """Return `1,500` or `99.99 + 0.01` (events, or days) as usage of a charge."""
    parts = [Fraction(each.replace(",", "")) for each in text.split(" + ")]
    match charge.model:
        case Percentage():
            usage = Usage(events=tuple(parts))
        case Bucketed():
            usage = Usage(buckets={str(at): part for at, part in enumerate(parts)})
        case CreditConversion():
            usage = Usage(quantities={charge.meter: sum(parts, Fraction(0))})
        case _:
            usage = Usage(quantity=sum(parts, Fraction(0)))
    return ChargeUsage(parts=(usage,))


def amount(plan: Plan, text: str) -> Fraction:
    by_name = {each.name: each for each in plan.charges}
    said: dict[str, str] = {}
    if ": " in text:
        said = dict(each.split(": ") for each in text.split("; "))
    elif text != "none":
        said = dict.fromkeys(by_name, text)
        assert len(said) == 1
    assert said.keys() == by_name.keys()
    usage = {name: used(by_name[name], words) for name, words in said.items()}
    return plan_amounts(plan, usage, rounding=dict.fromkeys(by_name, Rounding(scale=2))).total


@pytest.mark.parametrize(("text", "rows"), EXAMPLES, ids=[f"example{at}" for at in range(len(EXAMPLES))])
def test_an_example_of_the_guide_is_read_and_comes_to_what_stands_below_it(text: str, rows: str) -> None:
    plan = plan_of(text)
    for row in rows.splitlines():
        usage, comes_to = (cell.strip() for cell in row.strip("|").split("|"))
        assert amount(plan, usage) == Fraction(comes_to), (usage, comes_to)


def test_most_examples_have_amounts() -> None:
    """The control: the pattern above finds the tables."""
    rated = [rows for _, rows in EXAMPLES if rows]
    assert len(rated) >= 35 and TEXT.count("| comes to |") == len(rated)
    assert TEXT.count("```yaml") == len(EXAMPLES)


def test_every_key_meter_and_dimension_is_explained() -> None:
    keys = {*plan_reader._KEYS, *charge_reader._KEYS, "tiers_mode", "package_size", "up_to"}
    named = set(re.findall(r"`([a-z_]+)`", TEXT))
    named |= set(re.findall(r"`([a-z_]+): ", TEXT)) | set(re.findall(r"`([a-z_]+):`", TEXT))
    named |= {
        word for heading in re.findall(r"^### (.*)$", TEXT, re.MULTILINE) for word in heading.split(", ")
    }
    assert keys - named == set()
    assert set(re.findall(r"^\| `([a-z_]+)` \| ", TEXT, re.MULTILINE)) == set(METERS)
    assert {f"`{name}`" for name in DIMENSIONS} <= set(re.findall(r"`[a-z_]+`", TEXT))


def test_the_readme_and_the_guides_lead_to_it() -> None:
    assert "guides/plans.md" in (GUIDES.parents[1] / "README.md").read_text(encoding="utf-8")
    assert "(plans.md)" in (GUIDES / "bill-your-customers.md").read_text(encoding="utf-8")
