"""Import the price data of genai-prices into catalog/<provider>/prices.yaml.

    .venv/bin/python tools/import_prices.py [--checked 2026-11-21] [--catalog DIR] [--dry-run]

Takes the data of the installed `genai-prices` wheel (MIT, credited in NOTICE), not its engine.
Rows are only ever appended: what is in a file stays as it is, byte for byte, so that a call of
last year costs what it cost. A price that changed without a stated date is appended with the
day it was noticed and marked `observed`. Running the import twice changes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types as genai
from genai_prices.data import providers as genai_providers

from farebox import yamltext
from farebox.pricing.quotation import per_word
from farebox.pricing.sources.price_files import read_units

CATALOG = Path(__file__).resolve().parent.parent / "src" / "farebox" / "catalog"

OUR_IDS = {"x-ai": "xai", "aws": "bedrock", "moonshotai": "moonshot", "voyageai": "voyage"}
"""Providers that have another name in our catalog."""

HEADER = """\
# Prices of {provider}, imported from genai-prices (MIT, see NOTICE) by tools/import_prices.py.
# Rows are appended and never edited: an edit would re-price the past. Corrections belong into
# catalog/overlay.yaml.
"""

Row = dict[str, Any]


class PriceNames:
    """Our names for genai-prices' price keys."""

    def __init__(self, catalog: Path) -> None:
        root, findings = yamltext.read(catalog / "units.yaml")
        assert root is not None, findings
        units, findings = read_units(root)
        assert not findings, findings
        self.known = units.prices
        self.by_genai: dict[str, tuple[str, int]] = {}
        prices = root.get("prices")
        assert prices is not None
        for name, node in prices.items():
            plain = node.plain()
            if "genai" in plain:
                self.by_genai[plain["genai"]] = (name, int(plain["per"]))


class Importer:
    def __init__(self, names: PriceNames, source: str, checked: str) -> None:
        self.names = names
        self.source = source
        self.checked = checked
        self.log: list[str] = []
        self.appended = 0

    def provider(self, theirs: genai.Provider, existing: dict[str, Any] | None) -> dict[str, Any]:
        """Return the provider's file with everything new appended to what exists."""
        provider_id = OUR_IDS.get(theirs.id, theirs.id)
        models: list[dict[str, Any]] = list((existing or {}).get("models", []))
        at: dict[str, int] = {model["id"]: index for index, model in enumerate(models)}
        taken = {row["id"] for model in models for row in model["prices"]}
        fresh: list[genai.ModelInfo] = []
        for info in theirs.models:
            if info.id in at:
                self.merge(models[at[info.id]], info, list(self.rows(provider_id, info)), taken)
            else:
                fresh.append(info)
        # The order decides which model a name means, so a new model goes in front of the first
        # known one that follows it in the source.
        following = {info.id: index for index, info in enumerate(theirs.models)}
        for info in fresh:
            model: dict[str, Any] = {"id": info.id}
            if info.name:
                model["name"] = info.name
            model["match"] = clause(info.match)
            if info.deprecated:
                model["deprecated"] = "yes"
            model["prices"] = list(self.rows(provider_id, info))
            taken.update(row["id"] for row in model["prices"])
            self.appended += len(model["prices"])
            place = next(
                (
                    index
                    for index, other in enumerate(models)
                    if other["id"] in at and following.get(other["id"], -1) > following[info.id]
                ),
                len(models),
            )
            models.insert(place, model)
        content: dict[str, Any] = {"provider": provider_id}
        fallbacks = [OUR_IDS.get(name, name) for name in theirs.fallback_model_providers or []]
        if fallbacks:
            content["fallbacks"] = fallbacks
        content["models"] = models
        return content

    def merge(self, model: dict[str, Any], info: genai.ModelInfo, rows: list[Row], taken: set[str]) -> None:
        """Append what is new about a known model."""
        wanted = clause(info.match)
        if not covers(model["match"], wanted):
            known = alternatives(model["match"])
            fresh = [choice for choice in alternatives(wanted) if choice not in known]
            model["match"] = {"any": [*known, *fresh]}
            self.log.append(f"{info.id}: more names")
        for row in rows:
            known = [old for old in model["prices"] if condition(old) == condition(row)]
            same_start = [old for old in known if old.get("effective_from") == row.get("effective_from")]
            if not same_start:
                appended = row
            else:
                newest = max(known, key=lambda old: old.get("effective_from", ""))
                reference = newest if newest.get("observed") else same_start[-1]
                if price_of(reference) == price_of(row):
                    continue
                appended = {**row, "effective_from": self.checked, "observed": "yes"}
                appended["id"] = re.sub(
                    r"/(ever|\d{4}-\d{2}-\d{2})(?=$|@)", f"/{self.checked}", row["id"], count=1
                )
            while appended["id"] in taken:
                appended = {**appended, "id": f"{appended['id']}~2"}
            taken.add(appended["id"])
            model["prices"].append(appended)
            self.appended += 1
            self.log.append(f"{appended['id']}: appended")

    def rows(self, provider: str, info: genai.ModelInfo) -> Iterator[Row]:
        """Yield a model's rows: standard prices by date, then variants."""
        listed = info.prices
        conditional = (
            listed if isinstance(listed, list) else [genai.ConditionalPrice(constraint=None, prices=listed)]
        )
        start: date | None = None
        for entry in conditional:
            window: str | None = None
            if isinstance(entry.constraint, genai.StartDateConstraint):
                start = entry.constraint.start_date
            elif isinstance(entry.constraint, genai.TimeOfDateConstraint):
                # The hours belong to the price they follow: they are not older than it.
                window = hours(entry.constraint)
            if entry.prices.__dict__:
                yield self.row(provider, info.id, start, entry.prices, {}, window)
        # Of variants with one condition the first in force wins, of our rows the latest.
        variants: dict[str, list[Row]] = {}
        for variant in info.price_variants or []:
            if not variant.prices.__dict__:
                continue
            constraint = variant.constraint
            assert not isinstance(constraint, genai.TimeOfDateConstraint), info.id
            begin = constraint.start_date if constraint else None
            row = self.row(provider, info.id, begin, variant.prices, variant.when, None)
            variants.setdefault(repr(sorted(variant.when.items())), []).append(row)
        for group in variants.values():
            yield from sorted(group, key=lambda row: row.get("effective_from", ""))

    def row(
        self,
        provider: str,
        model: str,
        start: date | None,
        prices: genai.ModelPrice,
        when: dict[str, str],
        window: str | None,
    ) -> Row:
        identity = f"{provider}/{model}/{start.isoformat() if start else 'ever'}"
        marks = [f"{key}={value}" for key, value in when.items()] + ([window] if window else [])
        row: Row = {"id": "@".join([identity, ",".join(marks)]) if marks else identity}
        if start:
            row["effective_from"] = start.isoformat()
        if when:
            row["when"] = dict(when)
        if window:
            row["hours"] = window
        tiers: dict[int, dict[str, Any]] = {}
        for key, value in prices.__dict__.items():
            name, per = self.names.by_genai[key]
            base = value.base if isinstance(value, genai.TieredPrices) else value
            quote(row, name, per, self.decimal(base, identity, key))
            for tier in value.tiers if isinstance(value, genai.TieredPrices) else []:
                quote(tiers.setdefault(tier.start, {}), name, per, self.decimal(tier.price, identity, key))
        if tiers:
            row["tiers"] = [threshold(above) | tiers[above] for above in sorted(tiers)]
        row["source"] = self.source
        row["checked"] = self.checked
        return row

    def decimal(self, value: Decimal, row: str, key: str) -> str:
        """Return exact text, binary-float noise beyond nine decimals rounded away and logged."""
        kept = value.quantize(Decimal("1e-9"))
        if kept != value:
            self.log.append(f"{row}: {key} {value} read as {kept.normalize():f}")
        return f"{kept.normalize():f}"


def threshold(above: int) -> dict[str, str]:
    """Return a tier's start: 199,999 exclusive is the provider's "from 200,000"."""
    return {"from": str(above + 1)} if above % 1000 == 999 else {"above": str(above)}


def quote(row: dict[str, Any], name: str, per: int, usd: str) -> None:
    row.setdefault(f"per_{per_word(per)}", {})[name] = usd


def hours(constraint: genai.TimeOfDateConstraint) -> str:
    begin, end = constraint.start_time, constraint.end_time
    assert not any(moment.utcoffset() for moment in (begin, end)), "a window outside UTC"
    return f"{begin:%H:%M}-{end:%H:%M}"


def condition(row: Row) -> tuple[Any, ...]:
    return tuple(sorted((row.get("when") or {}).items())), row.get("hours"), row.get("days")


def price_of(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key.startswith("per_") or key == "tiers"}


def clause(match: Any) -> dict[str, Any]:
    """Return a match rule as our data."""
    match match:
        case genai.ClauseOr(or_=inner):
            return {"any": [clause(child) for child in inner]}
        case genai.ClauseAnd(and_=inner):
            return {"all": [clause(child) for child in inner]}
        case genai.ClauseRegex(regex=text):
            return {"regex": text}
        case genai.ClauseEquals(equals=text):
            return {"equals": text.lower()}
        case genai.ClauseStartsWith(starts_with=text):
            return {"starts_with": text.lower()}
        case genai.ClauseEndsWith(ends_with=text):
            return {"ends_with": text.lower()}
        case genai.ClauseContains(contains=text):
            return {"contains": text.lower()}
        case _:
            raise TypeError(f"unknown match rule {match!r}")


def alternatives(match: dict[str, Any]) -> list[dict[str, Any]]:
    return list(match["any"]) if "any" in match else [match]


def covers(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(choice in alternatives(known) for choice in alternatives(wanted))


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+~=-]*(?: [A-Za-z0-9_./@+~=-]+)*(?:,[A-Za-z0-9_=]+)*")
_WORDS = {"yes", "no", "true", "false", "null", "on", "off", "y", "n"}


def scalar(text: str) -> str:
    """Return text as YAML: quoted unless it can only be read as text."""
    if text == "yes" or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    return json.dumps(text, ensure_ascii=False)


def flow(value: Any) -> str:
    if isinstance(value, dict):
        # A comma inside a flow mapping would end the text.
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False) if "," in value else scalar(value)


def written(content: dict[str, Any]) -> str:
    """Return a provider's file as YAML."""
    lines = [HEADER.format(provider=content["provider"]), f"provider: {scalar(content['provider'])}\n"]
    if content.get("fallbacks"):
        lines.append(f"fallbacks: {flow(content['fallbacks'])}\n")
    lines.append("models:\n" if content["models"] else "models: []\n")
    for model in content["models"]:
        keys = [key for key in model if key != "prices"]
        for index, key in enumerate(keys):
            value = model[key]
            text = scalar(value) if isinstance(value, str) else flow(value)
            lines.append(f"{'  - ' if index == 0 else '    '}{key}: {text}\n")
        lines.append("    prices:\n" if model["prices"] else "    prices: []\n")
        for row in model["prices"]:
            for index, (key, value) in enumerate(row.items()):
                text = scalar(value) if isinstance(value, str) else flow(value)
                lines.append(f"{'      - ' if index == 0 else '        '}{key}: {text}\n")
    return "".join(lines)


def existing_file(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    root, findings = yamltext.read(path)
    if findings or root is None:
        raise SystemExit("\n".join(map(str, findings)) or f"{path} is empty")
    return root.plain()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checked", default=datetime.now(UTC).date().isoformat())
    parser.add_argument("--catalog", type=Path, default=CATALOG)
    parser.add_argument("--dry-run", action="store_true")
    chosen = parser.parse_args()
    importer = Importer(PriceNames(chosen.catalog), f"genai-prices {version('genai-prices')}", chosen.checked)
    changed = 0
    for theirs in genai_providers:
        folder = chosen.catalog / OUR_IDS.get(theirs.id, theirs.id)
        path = folder / "prices.yaml"
        text = written(importer.provider(theirs, existing_file(path)))
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        changed += 1
        if not chosen.dry_run:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print("\n".join(dict.fromkeys(importer.log)))
    print(f"{changed} files changed, {importer.appended} rows appended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
