"""Import what only the LiteLLM model map prices into catalog/<provider>/litellm.yaml.

    .venv/bin/python tools/import_litellm.py MAP.json [--seen 2026-11-21] [--catalog DIR] [--dry-run]

`MAP.json` is `model_prices_and_context_window_backup.json` of the `litellm` wheel (MIT, credited in
NOTICE). The map has floats, no dates, and writes 0 where it does not know; so it is the last source
that is asked, and only for models nobody else prices: images, video, audio, rerank, regions. A zero
is dropped, never read as free. Rows are only ever appended: a price that changed gets a row from the
day it was seen. Running the import twice changes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import LITELLM, open_prices
from import_prices import CATALOG, existing_file, flow, scalar

PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure_ai": "azure",
    "azure_text": "azure",
    "baseten": "baseten",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "bedrock_mantle": "bedrock",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "codestral": "mistral",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "crusoe": "crusoe",
    "dashscope": "alibaba",
    "databricks": "databricks",
    "deepinfra": "deepinfra",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "hyperbolic": "hyperbolic",
    "meta": "meta",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshot",
    "nebius": "nebius",
    "novita": "novita",
    "nvidia_nim": "nvidia",
    "openai": "openai",
    "ovhcloud": "ovhcloud",
    "perplexity": "perplexity",
    "replicate": "replicate",
    "sambanova": "sambanova",
    "snowflake": "snowflake",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "voyage": "voyage",
    "watsonx": "watsonx",
    "xai": "xai",
    "zai": "zai",
}
"""Their name to ours. Every `vertex_ai…` is `vertex`."""

MEDIA_ONLY = {
    "assemblyai": "assemblyai",
    "black_forest_labs": "black-forest-labs",
    "deepgram": "deepgram",
    "elevenlabs": "elevenlabs",
    "fal_ai": "fal",
    "jina_ai": "jina",
    "recraft": "recraft",
    "runwayml": "runway",
    "soniox": "soniox",
    "stability": "stability",
}
"""Providers of which only what is not a chat is taken."""

CHAT = ("chat", "completion", "responses", "embedding", "moderation", "evaluation", "decisions", "extraction")
SKIPPED_MODES = ("guardrail", "search", "vector_store")
"""Priced in units no measured quantity has."""

MILLION, THOUSAND = ("1m", 10**6), ("1k", 10**3)
TOKENS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_video_token": "output_video",
    "output_cost_per_reasoning_token": "output_reasoning",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "citation_cost_per_token": "output_citation",
    "input_cost_per_character": "input_characters",
    "output_cost_per_character": "output_characters",
}
OTHERS = {
    "ocr_cost_per_page": ("pages", THOUSAND),
    "annotation_cost_per_page": ("annotated_pages", THOUSAND),
    "google_maps_grounding_cost_per_query": ("calls_maps", THOUSAND),
    "code_interpreter_cost_per_session": ("calls_code_execution", THOUSAND),
    "input_cost_per_request": ("requests", THOUSAND),
}
INSTEAD_OF_TOKENS = {
    "output_cost_per_image": "output_cost_per_image_token",
    "output_cost_per_second": "output_cost_per_audio_token",
    "input_cost_per_second": "input_cost_per_token",
}
"""Prices that restate another one in a unit people understand; charging both would charge twice."""
CONDITIONS = {
    "_batches": {"processing": "batch"},
    "_priority": {"service_tier": "priority"},
    "_flex": {"service_tier": "flex"},
    "_ultrafast": {"service_tier": "ultrafast"},
    "_balanced": {"service_tier": "balanced"},
}

FROM_INCLUSIVE = {"xai"}
"""Providers whose long context begins at the threshold and not above it: https://docs.x.ai/developers/models."""

HEADER = """\
# Prices of {provider} that only the model map of LiteLLM has (MIT, see NOTICE), by
# tools/import_litellm.py. The last source that is asked. `seen` is the day a price was first in the
# map, which has no dates. Rows are appended and never edited.
"""

_SUFFIX = re.compile("(" + "|".join(CONDITIONS) + ")$")
_ABOVE = re.compile(r"_above_(\d+)k_tokens$")
_SIZED = re.compile(
    r"(?:(?P<quality>[a-z]+)/)?(?P<width>\d+)-x-(?P<height>\d+)/(?:(?P<steps>\d+)-steps/)?(?P<model>.+)"
)
_COMMITMENT = re.compile(r"\d-month-commitment|[*]")
_DIGITS = Context(prec=15, rounding=ROUND_HALF_EVEN)

Row = dict[str, Any]


class Named(NamedTuple):
    """A key of the map: which model of whom, under which facts of the call."""

    provider: str
    model: str
    when: dict[str, str]


class Reader:
    """Turn entries of the map into rows; everything left out or rounded is logged."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def named(self, key: str, entry: dict[str, Any]) -> Named | None:
        """Return what a key names; None for providers and units that are not for us."""
        theirs = str(entry.get("litellm_provider") or "")
        mode = str(entry.get("mode") or "")
        provider = "vertex" if theirs.startswith("vertex_ai") else PROVIDERS.get(theirs)
        if provider is None and mode not in CHAT:
            provider = MEDIA_ONLY.get(theirs)
        if provider is None or mode in SKIPPED_MODES or _COMMITMENT.search(key):
            return None
        name, when = key, {}
        for prefix in (f"{theirs}/", "vertex_ai/", "azure/", "azure_ai/", "bedrock/", "gemini/"):
            name = name.removeprefix(prefix)
        sized = _SIZED.fullmatch(name)
        if sized:
            when["size"] = f"{sized['width']}x{sized['height']}"
            for fact in ("quality", "steps"):
                if sized[fact]:
                    when[fact] = sized[fact]
            name = sized["model"].removeprefix("bedrock/")
        elif "-x-" in name:
            return None
        # A fine-tuned model's name goes on with its owner's own words.
        return Named(provider, name.lower() + ("*" if name.startswith("ft:") else ""), when)

    def rows(self, key: str, named: Named, entry: dict[str, Any]) -> Iterator[Row]:
        """Yield the rows of one entry, the standard one first."""
        groups: dict[tuple[tuple[str, str], ...], Row] = {}
        mode = str(entry.get("mode") or "")

        def place(condition: dict[str, str]) -> Row:
            when = {**named.when, **condition}
            return groups.setdefault(tuple(when.items()), {"when": when} if when else {})

        place({})
        for field, value in entry.items():
            if not isinstance(value, str) or "cost" not in field:
                continue  # numbers were read as text; everything else is no price
            stem = _SUFFIX.sub("", field)
            suffix = field[len(stem) :]
            above = _ABOVE.search(stem)
            unit = self.unit(_ABOVE.sub("", stem), mode, entry)
            if unit is None:
                continue
            name, (word, per), condition = unit
            usd = self.decimal(value, per, f"{key}: {field}")
            if usd is None:
                continue
            row = place({**condition, **CONDITIONS.get(suffix, {})})
            if above:
                row = _tier(row, int(above[1]) * 1000, inclusive=named.provider in FROM_INCLUSIVE)
            row.setdefault(f"per_{word}", {}).setdefault(name, usd)
        self.pixels(key, named, entry, place({}))
        for size, usd in self.searches(key, entry):
            fee = "requests" if named.provider == "perplexity" else "calls_web_search"
            place({"search_context_size": size} if size else {}).setdefault("per_1k", {})[fee] = usd
        self.tiers(key, named, entry, place({}))
        yield from (row for row in groups.values() if row.keys() - {"when"})

    def unit(
        self, field: str, mode: str, entry: dict[str, Any]
    ) -> tuple[str, tuple[str, int], dict[str, str]] | None:
        """Return the price a field quotes, its quotation, and facts that select it."""
        if not _zero(entry.get(INSTEAD_OF_TOKENS.get(field, ""))):
            return None
        resolution = re.fullmatch(r"output_cost_per_second_(\d+[pk])", field)
        if resolution:
            return "video_seconds", ("1", 1), {"resolution": resolution[1]}
        if field in TOKENS:
            return TOKENS[field], MILLION, {}
        if field == "cache_creation_input_token_cost_above_1hr":
            return "cache_write_1h", MILLION, {}
        if field in OTHERS:
            return *OTHERS[field], {}
        match field, mode:
            case "input_cost_per_second", "audio_transcription":
                return "audio_seconds", ("hour", 3600), {}
            case "output_cost_per_second", "audio_transcription" if _zero(entry.get("input_cost_per_second")):
                return "audio_seconds", ("hour", 3600), {}
            case "input_cost_per_second", "realtime":
                return "session_seconds", ("hour", 3600), {}
            case "output_cost_per_second", "audio_speech":
                return "output_audio_seconds", ("hour", 3600), {}
            case (("output_cost_per_second" | "output_cost_per_video_per_second"), "video_generation"):
                return "video_seconds", ("1", 1), {}
            case "input_cost_per_image", ("image_generation" | "image_edit") if _zero(
                entry.get("output_cost_per_image")
            ):
                return "images", ("1", 1), {}
            case "output_cost_per_image", ("image_generation" | "image_edit" | "chat"):
                return "images", ("1", 1), {}
            case "input_cost_per_query", "rerank":
                return "search_units", THOUSAND, {}
            case _:
                return None

    def pixels(self, key: str, named: Named, entry: dict[str, Any], row: Row) -> None:
        """A price per pixel at a stated size is a price per image."""
        value = entry.get("input_cost_per_pixel")
        if not isinstance(value, str) or "size" not in named.when or "images" in row.get("per_1", {}):
            return
        width, height = map(int, named.when["size"].split("x"))
        # Stored as the image's price over its pixels, nine digits long: four decimals are what was meant.
        usd = (Decimal(value) * width * height).quantize(Decimal("0.0001"))
        if usd:
            self.log.append(f"{key}: {value} a pixel read as {usd.normalize():f} an image")
            row.setdefault("per_1", {})["images"] = f"{usd.normalize():f}"

    def searches(self, key: str, entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the fee of a search by how much context is searched; '' where it makes no difference."""
        listed: dict[str, Any] = entry.get("search_context_cost_per_query") or {}
        fees = {
            str(size).removeprefix("search_context_size_"): usd
            for size, value in listed.items()
            if (usd := self.decimal(str(value), 1000, f"{key}: {size}")) is not None
        }
        if len(set(fees.values())) == 1:
            yield "", next(iter(fees.values()))
        else:
            yield from fees.items()

    def tiers(self, key: str, named: Named, entry: dict[str, Any], row: Row) -> None:
        """Read `tiered_pricing`: by the size of the request, the whole of it at one price."""
        listed: list[dict[str, Any]] = entry.get("tiered_pricing") or []
        for step in listed:
            if "range" not in step:
                return
            above = int(Decimal(str(step["range"][0])))
            if not above and any(field in entry for field in TOKENS):
                continue  # the first step is what stands beside it
            inclusive = named.provider in FROM_INCLUSIVE
            target = _tier(row, above, inclusive=inclusive) if above else row
            for field, value in step.items():
                if field in TOKENS:
                    usd = self.decimal(str(value), 10**6, f"{key}: {field}")
                    if usd is not None:
                        target.setdefault("per_1m", {}).setdefault(TOKENS[field], usd)

    def decimal(self, text: str, per: int, where: str) -> str | None:
        """Return the price of `per` units as exact text of at most 15 digits; None for nothing."""
        value = Decimal(text)
        if value <= 0:
            return None
        kept = _DIGITS.plus(value)
        if kept != value:
            self.log.append(f"{where}: {text} read as {kept.normalize()}")
        return f"{(kept * per).normalize():f}"


def _zero(value: Any) -> bool:
    return not isinstance(value, str) or not Decimal(value)


def _tier(row: Row, above: int, *, inclusive: bool) -> Row:
    key = "from" if inclusive else "above"
    tiers: list[Row] = row.setdefault("tiers", [])
    for tier in tiers:
        if tier[key] == str(above):
            return tier
    added: Row = {key: str(above)}
    tiers.append(added)
    tiers.sort(key=lambda each: int(each[key]))
    return added


def lacking(book: PriceBook, named: Named) -> bool:
    """Return whether no better source prices this model."""
    return all(line.price_source == "litellm" for line in book.find(named.provider, named.model.rstrip("*")))


def merged(rows: list[Row], fresh: list[Row], seen: str) -> tuple[list[Row], int]:
    """Return a model's rows with everything new appended, and how many that were."""
    appended = 0
    for row in fresh:
        same = [old for old in rows if old.get("when", {}) == row.get("when", {})]
        if same and _price(same[-1]) == _price(row):
            continue
        head = {"model": row.pop("model"), "seen": seen}
        rows.append({**head, **({"since": seen} if same else {}), **row})
        appended += 1
    return rows, appended


def _price(row: Row) -> Row:
    return {key: value for key, value in row.items() if key.startswith("per_") or key == "tiers"}


def written(provider: str, rows: list[Row]) -> str:
    lines = [HEADER.format(provider=provider), f"provider: {scalar(provider)}\n", "prices:\n"]
    lines += [f"  - {flow(row)}\n" for row in rows]
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("map", type=Path)
    parser.add_argument("--seen", default=datetime.now(UTC).date().isoformat())
    parser.add_argument("--catalog", type=Path, default=CATALOG)
    parser.add_argument("--dry-run", action="store_true")
    chosen = parser.parse_args()
    book = PriceBook(open_prices(catalog=chosen.catalog))
    reader = Reader()
    fresh: dict[str, dict[str, list[Row]]] = {}
    entries = json.loads(chosen.map.read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    for key, entry in entries.items():
        named = reader.named(key, entry) if key != "sample_spec" else None
        if named is None or not lacking(book, named):
            continue
        model = fresh.setdefault(named.provider, {}).setdefault(named.model, [])
        taken = [row.get("when", {}) for row in model]
        for row in reader.rows(key, named, entry):
            if row.get("when", {}) not in taken:  # the same model under two spellings
                model.append({"model": named.model, **row})
    changed = appended = 0
    for provider, models in sorted(fresh.items()):
        path = chosen.catalog / provider / LITELLM
        rows: list[Row] = (existing_file(path) or {}).get("prices", [])
        before = len(rows)
        for name, new in models.items():
            known = [row for row in rows if row["model"] == name]
            extended, count = merged(known, new, chosen.seen)
            if count:
                rows.extend(extended[len(extended) - count :])
                appended += count
        if len(rows) == before:
            continue
        changed += 1
        if not chosen.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(provider, rows), encoding="utf-8")
    print("\n".join(dict.fromkeys(reader.log)))
    print(f"{changed} files changed, {appended} rows appended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
