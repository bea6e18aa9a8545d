"""Batches of a user's prices from a file: YAML and JSON as under `pricing:`, CSV with a header.

Everything wrong is found at once, with file, line, key, what was found and what was expected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.errors import Finding
from farebox.pricing.exact import shown
from farebox.pricing.sources.price_comparison import MEDIAN_MAX, median, moved
from farebox.pricing.sources.user_prices import UserPricing, read_pricing
from farebox.yamltext import Node, read

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook

_EXAMPLES = 3


class Batch(msgspec.Struct, frozen=True):
    """What a file says, and what is wrong with it."""

    root: Node | None
    pricing: UserPricing
    findings: list[Finding]


class Doubt(msgspec.Struct, frozen=True):
    """Why a batch is put aside instead of accepted."""

    why: str
    examples: list[str]


def read_batch(path: Path, price_names: Mapping[str, bool]) -> Batch:
    """Return the prices of a file."""
    try:
        root, findings = _csv(path) if path.suffix.lower() == ".csv" else read(path)
    except OSError as error:
        found = error.strerror or "an error"
        return Batch(None, UserPricing(), [Finding(str(path), 0, "file", found, "a readable file")])
    if root is not None and root.get("pricing") is not None and len(list(root.items())) == 1:
        root = root.get("pricing")
    if root is None:
        return Batch(None, UserPricing(), findings or [Finding(str(path), 1, "", "nothing", "prices")])
    pricing, problems = read_pricing(root, price_names, frozenset())
    return Batch(root, pricing, [*findings, *problems])


def normalised(pricing: UserPricing) -> dict[str, list[dict[str, Any]]]:
    """Return a batch as entries of a price file, every figure as text."""
    found: dict[str, list[dict[str, Any]]] = {}
    for model in pricing.models:
        entries = found.setdefault(model.key, [])
        marked = dict(model.markups)
        for row in model.rows:
            entry: dict[str, Any] = {}
            if row.effective_from:
                entry["effective_from"] = row.effective_from
            if row.when:
                entry["when"] = dict(row.when)
            for name, quote in row.quotes.items():
                entry.setdefault(f"per_{quote.per}", {})[name] = quote.usd
            entries.append(entry)
        for moment, markup in marked.items():
            same = [row for row in model.rows if row.from_ns == moment and not row.when]
            index = model.rows.index(same[0]) if same else None
            target = entries[index] if index is not None else {}
            target["markup"] = f"{markup.shown:f}"
            if index is None:
                entries.append(target)
        if model.priced_as:
            entries.append({"priced_as": model.priced_as})
        stated = zip(("context_window", "max_output_tokens"), model.limits, strict=True)
        if limits := {name: str(tokens) for name, tokens in stated if tokens}:
            entries.append(limits)
    return found


def suspicion(book: PriceBook, batch: Batch, at_ns: int) -> Doubt | None:
    """Return why the batch looks like wrong units: its median is far from what is known."""
    ratios: list[Fraction] = []
    examples: list[tuple[Fraction, str]] = []
    for model in batch.pricing.models:
        known = {
            line.unit: line
            for line in reversed(book.find(model.provider, model.name, at_ns))
            if not line.when and line.above_input_tokens is None
        }
        for row in model.rows:
            for unit, quote in row.quotes.items():
                if unit not in known or row.when:
                    continue
                price = shown(quote.usd, quote.per)
                ratio = moved(known[unit].unit_price_usd, price)
                if ratio is not None:
                    ratios.append(ratio)
                    was = known[unit]
                    text = f"{model.key} {unit}: {price:f} each, {was.unit_price_usd:f} by {was.price_source}"
                    examples.append((ratio, text))
    middle = median(ratios)
    if middle is None or middle <= MEDIAN_MAX:
        return None
    examples.sort(key=lambda pair: pair[0], reverse=True)
    times = middle.numerator // middle.denominator
    return Doubt(
        f"half of its prices are {times} times or more away from the known ones; are the units right?",
        [text for _, text in examples[:_EXAMPLES]],
    )


def _csv(path: Path) -> tuple[Node | None, list[Finding]]:
    """Return a table as the tree that `pricing:` is: a row a model, a column a key.

    Columns: model, provider, effective_from, when.<fact>, and rates such as input_per_1m.
    """
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        return None, [Finding(file, line, "", "bytes that are not UTF-8", "UTF-8 text")]
    reader = csv.reader(io.StringIO(text, newline=""))
    findings: list[Finding] = []
    models: dict[str, list[Node]] = {}
    header: list[str] = []
    try:
        for cells in reader:
            line = reader.line_num
            if not header:
                header = [name.strip() for name in cells]
                if "model" not in header:
                    return None, [Finding(file, line, "header", ", ".join(header), "a column `model`")]
                continue
            if not any(cells):
                continue
            if len(cells) != len(header):
                findings.append(
                    Finding(file, line, "row", f"{len(cells)} cells", f"{len(header)}, as the header")
                )
                continue
            _row(
                models, dict(zip(header, (cell.strip() for cell in cells), strict=True)), file, line, findings
            )
    except csv.Error as error:
        findings.append(Finding(file, reader.line_num, "row", str(error), "CSV"))
    tree = {name: Node(entries, file, entries[0].line, name) for name, entries in models.items()}
    return Node(tree, file, 1, ""), findings


def _row(
    models: dict[str, list[Node]], cells: dict[str, str], file: str, line: int, findings: list[Finding]
) -> None:
    name, provider = cells.pop("model"), cells.pop("provider", "")
    if not name:
        findings.append(Finding(file, line, "model", "nothing", "a model"))
        return
    key = f"{provider}/{name}" if provider else name
    entry: dict[str, Node] = {}
    facts: dict[str, Node] = {}
    for column, text in cells.items():
        if not text:
            continue
        node = Node(text, file, line, f"{key}.{column}")
        if column.startswith("when."):
            facts[column.removeprefix("when.")] = node
        else:
            entry[column] = node
    if facts:
        entry["when"] = Node(facts, file, line, f"{key}.when")
    models.setdefault(key, []).append(Node(entry, file, line, key))
