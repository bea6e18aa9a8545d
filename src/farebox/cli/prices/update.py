"""`farebox prices update` and `diff`: newer lists, appended only where they pass the checks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import DATA, OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.prices.fetching import SIZE_MAX, Fetched, fetch, is_url
from farebox.cli.prices.opening import open_book
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import iso, now_ns
from farebox.errors import Finding, PriceFileError, UsageError
from farebox.pricing.sources.price_comparison import Change, Comparison, compared
from farebox.program import command

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook
    from farebox.pricing.price_rows import ProviderPrices
    from farebox.pricing.sources.price_updates import PriceUpdates

DEFAULT_SOURCE = (
    "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
)
"""Where genai-prices publishes its data: https://github.com/pydantic/genai-prices."""


class DiffAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices diff --json` and `update --json`."""

    schema: str = "farebox.prices-diff/1"
    changes: list[Change]
    applied: bool = False


def update(
    source: Annotated[str, Parameter(help="An https URL or a file; genai-prices' data by default.")] = "",
    /,
    *,
    place: Place | None = None,
    sha256: Annotated[str | None, Parameter(help="The digest the list must have.")] = None,
    acknowledge: Annotated[
        bool,
        Parameter(negative="", help="Accept it even though rows are gone or prices moved more than 5 ×."),
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Only show what would change.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch a newer price list and append what is new. The only command that fetches prices."""
    home, book = open_book(place or Place())
    source = source or DEFAULT_SOURCE
    before = book.updates
    etag = before.origin.etag if before is not None and before.origin.source == source else None
    fetched = _fetched(source, etag)
    if fetched is None:
        print(f"{clean(source)} has not changed since {before.origin.fetched_at if before else 'then'}")
        return OK
    digest = hashlib.sha256(fetched.content).hexdigest()
    if sha256 is not None and sha256.lower() != digest:
        raise PriceFileError([Finding(source, 0, "sha256", digest, sha256.lower())])
    seen_ns = now_ns()
    comparison = _compare(book, source, fetched.content, seen_ns)
    doubts = _doubts(comparison)
    refused = bool(doubts) and not acknowledge
    if not refused and not dry_run:
        _append(home.path, before, comparison, source, digest, fetched.etag, iso(seen_ns))
    if as_json:
        json_shapes.print_json(
            DiffAnswer(changes=list(comparison.changes), applied=not refused and not dry_run)
        )
    else:
        print(render(comparison.changes))
        print(f"{clean(source)} sha256 {digest}")
    if refused:
        for doubt in doubts:
            say(doubt)
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
        fetched = _fetched(source, None)
        changes = _compare(book, source, fetched.content if fetched else b"", now_ns()).changes
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
    """Return the changes as a table, new models counted."""
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
    return "\n".join(lines)


def _cells(change: Change) -> list[str]:
    from farebox.cli.prices.show import quoted

    return [
        change.kind,
        f"{change.provider}/{change.model}",
        change.unit or "–",
        "–" if change.before_usd is None else quoted(change.before_usd),
        "–" if change.after_usd is None else quoted(change.after_usd),
        ", ".join(f"{key} {value}" for key, value in change.when.items()) or "always",
        (change.effective_from or "the beginning") + (" (observed)" if change.observed else ""),
    ]


def _fetched(source: str, etag: str | None) -> Fetched | None:
    if is_url(source):
        return fetch(source, etag)
    path = Path(source).expanduser()
    try:
        if path.stat().st_size > SIZE_MAX:
            found = f"{path.stat().st_size:,} bytes"
            raise PriceFileError([Finding(source, 0, "size", found, f"at most {SIZE_MAX:,} bytes")])
        return Fetched(path.read_bytes(), None)
    except OSError as error:
        found = error.strerror or "an error"
        raise PriceFileError([Finding(source, 0, "file", found, "a readable file or an https URL")]) from None


def _compare(book: PriceBook, source: str, content: bytes, seen_ns: int) -> Comparison:
    from farebox import yamltext
    from farebox.pricing.compiled_book import CATALOG
    from farebox.pricing.sources.price_import import ForeignNames, read_list

    seen = iso(seen_ns)
    units, findings = yamltext.read(CATALOG / "units.yaml")
    if units is None:
        raise PriceFileError(findings)
    incoming, findings = read_list(content, source, book.price_names, ForeignNames(units), seen[:10])
    if not findings and not incoming:
        findings = [Finding(source, 1, "", "no provider", "price lists")]
    if findings:
        raise PriceFileError(findings)
    known = {name: prices for name in incoming if (prices := book.provider(name)) is not None}
    retired = book.updates.retired if book.updates is not None else {}
    return compared(known, incoming, seen_ns=seen_ns, seen=seen, retired=retired)


def _doubts(comparison: Comparison) -> list[str]:
    doubts: list[str] = []
    if comparison.removed:
        names = ", ".join(f"{each.provider}/{each.model}" for each in comparison.removed[:5])
        doubts.append(f"{count(len(comparison.removed), 'model')} would be gone: {clean(names)}")
    doubts += [
        f"{clean(change.provider)}/{clean(change.model)} {change.unit} would move from "
        f"{change.before_usd} to {change.after_usd}, more than 5 times"
        for change in comparison.too_far[:10]
    ]
    if comparison.has_wrong_units:
        doubts.append("half of all prices would move more than 10 times: these are other units")
    return doubts


def _append(
    state: Path,
    before: PriceUpdates | None,
    comparison: Comparison,
    source: str,
    digest: str,
    etag: str | None,
    seen: str,
) -> None:
    from farebox.pricing.price_rows import ProviderPrices
    from farebox.pricing.sources.price_updates import Origin, PriceUpdates, keep

    origin = Origin(source=source, sha256=digest, fetched_at=seen, etag=etag)
    providers = dict(before.providers) if before is not None else {}
    fresh = PriceUpdates(origin=origin, providers=comparison.appended)
    for name in comparison.appended:
        providers[name] = fresh.applied(ProviderPrices(name, providers.get(name, ()))).models
    retired = {name: set(models) for name, models in (before.retired if before is not None else {}).items()}
    for change in comparison.removed:
        retired.setdefault(change.provider, set()).add(change.model)
    keep(
        state,
        PriceUpdates(
            origin=origin,
            providers=providers,
            retired={name: tuple(sorted(models)) for name, models in retired.items()},
        ),
    )


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
