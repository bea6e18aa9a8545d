"""Build the dashboard into the package: `src/farebox/server/web`, with a stamp of its sources.

Run by `npm run build` in dashboard/, after `npm ci`. Nothing is done where the stamp says that the
build is that of these sources; `--force` builds anyway, `--check` only says. Standard library only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "dashboard"
WEB = ROOT / "src" / "farebox" / "server" / "web"
API_TYPES = "src/shared/api/types.ts"
PACKED = (".css", ".js", ".txt")
"""What lies in the package compressed by gzip, under its own name, as browsers get it."""
FIRST_LOAD_MAX_BYTES = 250_000
"""Gzip size of what the first page loads: scripts, styles."""
PORTAL = "portal/"
PORTAL_MAX_BYTES = 150_000
"""The same of the customers' page."""

_SOURCES = (
    "index.html",
    "portal.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "vite.portal.config.ts",
    "tsconfig.json",
    "public/**/*",
    "src/**/*",
)


def source_digest(dashboard: Path = DASHBOARD) -> str:
    """Return the SHA-256 over names and contents of everything that a build is made from."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in _SOURCES for path in dashboard.glob(pattern)}):
        if path.is_file() and not re.search(r"\.test\.tsx?$|test-setup\.ts$", path.name):
            name = path.relative_to(dashboard).as_posix()
            total.update(f"{name}\0{digest(path)}\n".encode())
    return total.hexdigest()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_fresh(web: Path = WEB, dashboard: Path = DASHBOARD) -> bool:
    """Return whether `web` holds a whole build of these sources."""
    try:
        stamp = json.loads((web / "build.json").read_text(encoding="utf-8"))
        return stamp["sources"] == source_digest(dashboard) and all(
            digest(web / name) == content for name, content in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def first_load_bytes(web: Path = WEB, page: str = "index.html") -> int:
    """Return the size of the scripts and styles that a page names, packed as they are sent."""
    html = (web / page).read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="/([^"]+\.(?:js|css))"', html)
    return sum((web / name).stat().st_size for name in names)


def pack(web: Path = WEB) -> None:
    """Compress what is packed, to the same bytes each time."""
    for path in web.rglob("*"):
        if path.suffix in PACKED:
            path.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def build() -> int:
    vite = ["vite", "build"]
    for command in (["tsc", "--noEmit"], vite, [*vite, "--config", "vite.portal.config.ts"]):
        done = subprocess.run(
            ["npx", "--no-install", *command], cwd=DASHBOARD, check=False, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
            return done.returncode
    (WEB / PORTAL / "portal.html").rename(WEB / PORTAL / "index.html")
    pack()
    files = {
        path.relative_to(WEB).as_posix(): digest(path)
        for path in sorted(WEB.rglob("*"))
        if path.is_file() and path.name != "build.json"
    }
    stamp = {"sources": source_digest(), "api": digest(DASHBOARD / API_TYPES), "files": files}
    size, of_portal = first_load_bytes(), first_load_bytes(WEB / PORTAL)
    print(
        f"dashboard: {len(files)} files, first load {size / 1000:.0f} kB gzip, "
        f"the portal's {of_portal / 1000:.0f} kB"
    )
    for name, found, most in (
        ("dashboard", size, FIRST_LOAD_MAX_BYTES),
        ("portal", of_portal, PORTAL_MAX_BYTES),
    ):
        if found > most:
            print(f"{name}: the first load must stay below {most} bytes", file=sys.stderr)
            return 1
    (WEB / "build.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    return 0


def main(arguments: list[str]) -> int:
    fresh = is_fresh()
    if "--check" in arguments:
        if not fresh:
            print("the dashboard's build is stale; type: make build", file=sys.stderr)
        return 0 if fresh else 1
    if fresh and "--force" not in arguments:
        return 0
    return build()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
