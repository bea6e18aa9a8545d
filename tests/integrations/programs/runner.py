"""Run scenarios of these programs, each under a tag of its own: `runner.py MODULE:SCENARIO …`.

Metering is turned on before a framework is imported, or with `--late` after.
"""

from __future__ import annotations

import importlib
import sys

import farebox


def told(error: Exception) -> None:
    """Say what `on_error` was told, so that a test sees it."""
    print(f"farebox: {type(error).__name__}: {error}", file=sys.stderr)


def main() -> None:
    names = [name for name in sys.argv[1:] if name != "--late"]
    farebox.configure(on_error=told)
    if "--late" not in sys.argv:
        farebox.instrument()
    modules = {name: importlib.import_module(name.partition(":")[0]) for name in names}
    farebox.instrument()
    for name, module in modules.items():
        scenario = name.partition(":")[2]
        with farebox.attribute(tags={"scenario": scenario}):
            getattr(module, scenario)()


if __name__ == "__main__":
    main()
