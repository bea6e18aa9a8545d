"""`farebox backup` and `farebox restore`: a copy of the whole state directory, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.backup.figures import Figures
from farebox.cli.access import open_ledger
from farebox.cli.daemon.running import NAMES, running
from farebox.cli.exits import OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import count
from farebox.errors import UsageError
from farebox.money import display_usd
from farebox.program import command

if TYPE_CHECKING:
    from farebox.backup.restoration import Restored


class RestoreAnswer(msgspec.Struct, kw_only=True):
    """`farebox restore --json`."""

    schema: str = "farebox.restore/1"
    home: str
    figures: Figures
    """The record that was restored."""
    moved_to: str | None
    """Where the old state directory is now; null where there was nothing in it."""
    configuration: str | None
    """A configuration file that was in force and is not in the state directory, to be put back by hand."""
    certificates: bool
    """Whether authorities of interception were in it."""


def backup(
    directory: Annotated[Path, Parameter(help="A new directory for it.")],
    /,
    *,
    with_certificates: Annotated[
        bool,
        Parameter(
            negative="",
            help="With the authorities of interception and their private keys: whoever has these can read "
            "the traffic of machines that trust them.",
        ),
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Copy record, control database, configuration and prices, verified, while everything runs."""
    from farebox.backup.creation import create

    chosen = place or Place()
    home, ledger = open_ledger(chosen)
    ledger.close()
    if ledger.trouble is not None:
        say(f"{ledger.trouble}; what the journals hold beyond the record is copied with it")
    manifest = create(
        home,
        directory,
        configuration=chosen.configuration(home).file,
        certificates=with_certificates,
        told=show_progress,
    )
    if as_json:
        print_json(manifest)
        return OK
    print(f"{directory}: {figures_line(manifest.figures)}")
    print(
        f"{count(len(manifest.files), 'file')}, every one with its checksum; the record was verified there."
    )
    if not with_certificates and (home.path / "ca").is_dir():
        print(
            "Without the certificates of interception: --with-certificates takes them, private keys included."
        )
    print("It is as private as the state directory: it can tell which API key made a call.")
    print(f"Restore it with {command('restore DIRECTORY')}")
    return OK


def restore(
    directory: Annotated[Path | None, Parameter(help="A directory that `backup` made.")] = None,
    /,
    *,
    export: Annotated[
        Path | None, Parameter(help="Instead of a directory, a file that `export --all` wrote.")
    ] = None,
    replace: Annotated[
        bool, Parameter(negative="", help="Where the state directory is not empty: move it aside.")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Verify a backup and make it the state directory, in one step."""
    from farebox.backup import restoration

    home = (place or Place()).location()
    for name in NAMES:
        if running(home, name) is not None:
            raise UsageError(f"{home.path} is in use by the {name}; type: {command('stop')}")
    if (directory is None) == (export is None):
        raise UsageError(
            f"name the directory that {command('backup')} made, or --export and the file that "
            f"{command('export --all')} wrote"
        )
    if directory is not None:
        restored = restoration.restore(directory, home, replace=replace, told=show_progress)
    else:
        assert export is not None  # noqa: S101 - one of the two was named
        from farebox.backup.rebuild import restore_export

        restored = restore_export(export, home, replace=replace, told=show_progress)
    _say_restored(restored, str(home.path), as_json=as_json)
    return OK


def _say_restored(restored: Restored, home: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            RestoreAnswer(
                home=home,
                figures=restored.figures,
                moved_to=restored.moved_to,
                configuration=restored.configuration,
                certificates=restored.certificates,
            )
        )
        return
    print(f"{home}: {figures_line(restored.figures)}")
    print("The record was verified before it was put there.")
    if restored.moved_to is not None:
        print(f"What was there before is now {restored.moved_to}.")
    if restored.configuration is not None:
        print(f"{restored.configuration} was in force; it is in outside/, to be put where it belongs.")
    if not restored.certificates:
        print(
            f"No certificate of interception was in it; make one where it is needed:  {command('ca install')}"
        )


def figures_line(figures: Figures) -> str:
    """Return a record's figures, and its checkpoint."""
    unpriced = f", {count(figures.unpriced_calls, 'call')} without a price" if figures.unpriced_calls else ""
    total = f"{count(figures.calls, 'call')}, {display_usd(int(figures.cost_pico))}{unpriced}"
    return f"{total}, as of row {figures.seq:,}" + (
        f"\ncheckpoint {figures.checkpoint}" if figures.seq else ""
    )


def show_progress(what: str, done: int, total: int) -> None:
    """Show how far it is, on a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done >= total else "\r"
        print(f"{what}: {done * 100 // max(total, 1)} %", end=end, file=sys.stderr, flush=True)
