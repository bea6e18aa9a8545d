"""Fuzz one target, or every target one after the other.

    python -m tools.fuzz [TARGET] [--seconds N]

A finding is an exception out of code that promises none, a result that depends on how the bytes
were cut, or more memory held than its bounds allow. The input is left in `crash-…` beside.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tools.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    options = parser.parse_args()
    if options.target is None:
        return _every(options.seconds)
    return _one(options.target, options.seconds)


def _every(seconds: int) -> int:
    """Run each target in a process of its own: the engine ends the process it runs in."""
    failed: list[str] = []
    for name in sorted(TARGETS):
        print(f"fuzz {name} for {seconds} s", flush=True)
        command = [sys.executable, "-m", "tools.fuzz", name, "--seconds", str(seconds)]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    print("findings: " + ", ".join(failed) if failed else "no findings")
    return 1 if failed else 0


def _one(name: str, seconds: int) -> int:
    try:
        import atheris  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ImportError:
        print("atheris is not installed: make fuzz installs it", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["farebox.wire"]):  # pyright: ignore[reportUnknownMemberType]
        target = TARGETS[name]()
    folder = Path(".make/fuzz") / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    arguments = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=0",
        "-verbosity=0",
        f"-artifact_prefix={folder}/",
        str(folder),
    ]
    atheris.Setup([sys.argv[0], *arguments], target.one)  # pyright: ignore[reportUnknownMemberType]
    atheris.Fuzz()  # pyright: ignore[reportUnknownMemberType]
    return 0


if __name__ == "__main__":
    sys.exit(main())
