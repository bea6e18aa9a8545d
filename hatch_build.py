"""Put what is compiled into the wheel: the price book, and a check that the dashboard is built.

Nothing is written into the source tree.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildHook(BuildHookInterface[Any]):
    """Runs for wheels; an editable install finds everything in the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or self.target_name != "wheel":
            return
        root = Path(self.root)
        if not (root / "src/farebox/server/web/build.json").is_file():
            raise FileNotFoundError("the dashboard is not built; type: make build")
        sys.path.insert(0, str(root / "src"))
        from farebox.catalog.loading import compile_catalog
        from farebox.pricing.compiled_book import compile_prices

        compiled = Path(self.directory) / "prices.msgpack.gz"
        compiled.parent.mkdir(parents=True, exist_ok=True)
        compiled.write_bytes(gzip.compress(compile_prices(root / "src/farebox/catalog"), mtime=0))
        build_data["force_include"][str(compiled)] = "farebox/pricing/prices.msgpack.gz"
        self._compiled = compiled
        catalog = compiled.with_name("catalog.msgpack")
        catalog.write_bytes(compile_catalog(root / "src/farebox/catalog"))
        build_data["force_include"][str(catalog)] = "farebox/catalog/catalog.msgpack"
        self._catalog = catalog

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        for name in ("_compiled", "_catalog"):
            written: Path | None = getattr(self, name, None)
            if written is not None:
                written.unlink(missing_ok=True)
