"""Make the reference pages and other committed files that come from code.

python tools/generate.py           write them
python tools/generate.py --check   fail when one of them is stale
"""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from farebox.ingest.openapi import openapi_document as ingest_document  # noqa: E402
from farebox.server.api.openapi.document import openapi_document  # noqa: E402
from farebox.server.portal.portal_openapi import portal_document  # noqa: E402
from tools.control_schema import control_schema  # noqa: E402
from tools.reference import cli_page, configuration_page, events_page, export_page, json_page  # noqa: E402
from tools.sdk_catalog import go_json, javascript  # noqa: E402

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/cli.md": cli_page,
    "docs/reference/configuration.md": configuration_page,
    "docs/reference/events.md": events_page,
    "docs/reference/export.md": export_page,
    "docs/reference/ingest-openapi.json": lambda: ingest_document().decode(),
    "docs/reference/json.md": json_page,
    "docs/reference/openapi.json": lambda: openapi_document().decode(),
    "docs/reference/portal-openapi.json": lambda: portal_document().decode(),
    "sdk/go/catalog.json": go_json,
    "sdk/node/src/catalog.js": javascript,
    "src/farebox/control/newest_schema.sql": control_schema,
}


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    stale: list[str] = []
    for name, make in PAGES.items():
        path = ROOT / name
        wanted = make()
        written = path.read_text(encoding="utf-8") if path.is_file() else ""
        if written == wanted:
            continue
        stale.append(name)
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(
                    written.splitlines(True), wanted.splitlines(True), name, "as it should be", n=1
                )
            )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            print(f"wrote {name}")
    status = _others(check)
    if check and stale:
        print(f"stale: {', '.join(stale)}; type: make docs", file=sys.stderr)
        return 1
    return status


def _others(check: bool) -> int:
    """Run the generators that are programs of their own."""
    status = 0
    for program in ("tools/generate_api_types.py",):
        if (ROOT / program).is_file():
            command = [sys.executable, str(ROOT / program), *(["--check"] if check else [])]
            status |= subprocess.run(command, cwd=ROOT, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
