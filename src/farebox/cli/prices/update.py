"""`farebox prices update` and `diff`: newer lists, appended only where they pass the checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import DATA, OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.prices.opening import open_book
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import iso, now_ns
from farebox.errors import PriceFileError, UsageError
from farebox.price_lists.candidate import candidate_of, digest_problem
from farebox.price_lists.fetching import obtain
from farebox.price_lists.look import counted
from farebox.price_lists.takeover import digests, take_over
from farebox.price_lists.updates_folder import updating
from farebox.pricing.sources.price_comparison import Change, compared
from farebox.program import command

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook
    from farebox.pricing.price_rows import ProviderPrices

DOUBTS_SHOWN = 10


class DiffAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices diff --json` and `update --json`."""

    schema: str = "farebox.prices-diff/1"
    changes: list[Change]
    applied: bool = False


def update(
    source: Annotated[str, Parameter(help="An https URL or a file; `prices.from` by default.")] = "",
    /,
    *,
    place: Place | None = None,
    sha256: Annotated[
        str | None, Parameter(help="The digest the list must have: hex, or the URL or file that has it.")
    ] = None,
    acknowledge: Annotated[
        bool,
        Parameter(negative="", help="Accept it even though rows are gone or prices moved more than 5 ×."),
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch a newer price list and append what is new, if it passes the checks."""
    chosen = place or Place()
    home = chosen.state()
    source = source or chosen.configuration(home).prices.source
    from farebox.control.audit import command_line
    from farebox.control.file_changes import change_prices

    with updating(home):
        _, book = open_book(chosen)
        before = book.updates
        etag = before.origin.etag if before is not None and before.origin.source == source else None
        fetched = obtain(source, etag)
        if fetched is None:
            print(f"{clean(source)} has not changed since {before.origin.fetched_at if before else 'then'}")
            return OK
        wrong = digest_problem(fetched, sha256, source) if sha256 is not None else None
        if wrong is not None:
            raise PriceFileError([wrong])
        candidate = candidate_of(book, source, fetched, now_ns(), digests(home))
        refused = bool(candidate.doubts) and not acknowledge
        if not refused and not dry_run:
            change_prices(
                home,
                command_line(),
                "price_list.take_over",
                source,
                now_ns(),
                lambda: take_over(home, before, candidate, candidate.comparison),
            )
    if as_json:
        json_shapes.print_json(
            DiffAnswer(changes=list(candidate.changes), applied=not refused and not dry_run)
        )
    else:
        print(render(candidate.changes))
        print(f"{clean(source)} sha256 {candidate.sha256}")
    if refused:
        for doubt in candidate.doubts[:DOUBTS_SHOWN]:
            say(clean(doubt.words))
        say(f"nothing was changed. If it is right: {command('prices update … --acknowledge')}")
        return DATA
    return OK


def diff(
    before: Annotated[
        int | None, Parameter(help="Number of a snapshot; 0 is the release's own list.")
    ] = None,
    after: Annotated[int | None, Parameter(help="Number of a later one; the newest by default.")] = None,
    /,
    *,
    place: Place | None = None,
    source: Annotated[str | None, Parameter(help="Compare with this file or URL instead.")] = None,
    as_json: AsJson = False,
) -> int:
    """Show what changed between two snapshots of the price lists, or what a list would change."""
    from farebox.pricing import load_book

    home, book = open_book(place or Place())
    if source is not None:
        fetched = obtain(source)
        assert fetched is not None, "without an ETag a list is never unchanged"  # noqa: S101
        changes = candidate_of(book, source, fetched, now_ns()).changes
    else:
        numbers = _numbered(home.path)
        last = max(numbers, default=0)
        end = last if after is None else after
        start = max(end - 1, 0) if before is None else before
        for number in (start, end):
            if number and number not in numbers:
                there = ", ".join(map(str, [0, *numbers]))
                raise UsageError(f"there is no snapshot {number}; there are: {there}")
        release = load_book(None, home.cache)
        lists = [_lists(release, numbers.get(number)) for number in (start, end)]
        changes = tuple(
            change
            for change in compared(*lists, seen_ns=now_ns(), seen=iso(now_ns())).changes
            if not change.observed
        )
    if as_json:
        json_shapes.print_json(DiffAnswer(changes=list(changes)))
    else:
        print(render(changes))
    return OK


def render(changes: tuple[Change, ...]) -> str:
    """Return the changes as a table, before and after, and how many there are."""
    if not changes:
        return "no price differs"
    fresh = [change for change in changes if change.kind == "new model"]
    rest = [change for change in changes if change.kind != "new model"]
    lines: list[str] = []
    if rest:
        columns = [
            Column("what"),
            Column("model", width_max=70),
            Column("unit"),
            Column("before", right=True),
            Column("after", right=True),
            Column("when", drop=1),
            Column("from", drop=2),
        ]
        lines.append(table(columns, [_cells(change) for change in rest]))
    if fresh:
        names = ", ".join(f"{change.provider}/{change.model}" for change in fresh[:5])
        more = f" and {len(fresh) - 5} more" if len(fresh) > 5 else ""
        lines.append(f"{count(len(fresh), 'new model')}: {clean(names)}{more}")
    lines.append(counted(changes))
    return "\n".join(lines)


def _cells(change: Change) -> list[str]:
    from farebox.cli.prices.show import quoted

    return [
        change.kind,
        f"{change.provider}/{change.model}",
        f"{change.unit or '–'}{f' > {change.above:,} tokens' if change.above else ''}",
        "–" if change.before_usd is None else quoted(change.before_usd),
        "–" if change.after_usd is None else quoted(change.after_usd),
        ", ".join(f"{key} {value}" for key, value in change.when.items()) or "always",
        (change.effective_from or "the beginning") + (" (observed)" if change.observed else ""),
    ]


def _numbered(state: Path) -> dict[int, Path]:
    from farebox.pricing.sources.price_updates import snapshots

    return {int(path.name.partition("-")[0]): path for path in snapshots(state)}


def _lists(release: PriceBook, path: Path | None) -> dict[str, ProviderPrices]:
    """Return every provider's list as a snapshot has it; the release's own without one."""
    from farebox.pricing.price_rows import ProviderPrices
    from farebox.pricing.sources.price_updates import read_snapshot

    names = set(release.providers())
    updates = read_snapshot(path) if path is not None else None
    if updates is not None:
        names |= set(updates.providers)
    lists: dict[str, ProviderPrices] = {}
    for name in sorted(names):
        prices = release.provider(name) or ProviderPrices(name)
        lists[name] = updates.applied(prices) if updates is not None else prices
    return lists
