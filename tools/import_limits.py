"""Import how much models read and write at most into catalog/model_limits.json.

    PYTHONPATH=tools .venv/bin/python tools/import_limits.py MAP.json [--catalog DIR]

Takes the context windows of the installed `genai-prices` wheel and the limits of `MAP.json`
(`model_prices_and_context_window_backup.json` of the `litellm` wheel): both MIT, credited in NOTICE. Where
both know a model, the larger figure counts: these are upper bounds of what a call can cost. A model that is
no longer in the sources keeps its limits.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices.data import providers as genai_providers

from import_litellm import Reader
from import_prices import CATALOG, OUR_IDS

Limits = dict[str, dict[str, list[int | None]]]


def add(limits: Limits, provider: str, model: str, window: int | None, output: int | None) -> None:
    """Raise a model's limits to the figures that are larger."""
    if not window and not output:
        return
    known = limits.setdefault(provider, {}).setdefault(model.lower().rstrip("*"), [None, None])
    for index, figure in enumerate((window, output)):
        if figure and (known[index] is None or figure > (known[index] or 0)):
            known[index] = figure


def written(sources: list[str], limits: Limits) -> str:
    """Return the file, one model a line."""
    lines = ["{", f'"sources": {json.dumps(sources)},', '"providers": {']
    for number, provider in enumerate(sorted(limits)):
        models = limits[provider]
        lines.append(f"{json.dumps(provider)}: {{")
        names = sorted(models)
        lines += [
            f"{json.dumps(name)}: {json.dumps(models[name])}{',' if name != names[-1] else ''}"
            for name in names
        ]
        lines.append("}" + ("," if number < len(limits) - 1 else ""))
    return "\n".join([*lines, "}", "}", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("map", type=Path)
    parser.add_argument("--catalog", type=Path, default=CATALOG)
    parser.add_argument("--litellm-version", default="unknown")
    chosen = parser.parse_args()
    path: Path = chosen.catalog / "model_limits.json"
    limits: Limits = json.loads(path.read_text())["providers"] if path.is_file() else {}
    for theirs in genai_providers:
        for info in theirs.models:
            add(limits, OUR_IDS.get(theirs.id, theirs.id), info.id, info.context_window, None)
    reader = Reader()
    entries: dict[str, dict[str, Any]] = json.loads(chosen.map.read_text(encoding="utf-8"))
    for key, entry in entries.items():
        named = reader.named(key, entry) if key != "sample_spec" else None
        if named is not None:
            figures = (entry.get("max_input_tokens"), entry.get("max_output_tokens"))
            window, output = (int(each) if isinstance(each, int | float) else None for each in figures)
            add(limits, named.provider, named.model, window, output)
    sources = [f"genai-prices {version('genai-prices')}", f"litellm {chosen.litellm_version} model map"]
    path.write_text(written(sources, limits), encoding="utf-8")
    print(f"{sum(map(len, limits.values()))} models of {len(limits)} providers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
