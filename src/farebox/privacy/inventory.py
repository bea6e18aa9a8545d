"""What is stored where, of whom, and until when: told to whoever asks before anything is erased."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from farebox.home import Home

Erasing = Literal["erased", "overwritten", "made again", "in part", "kept", "yours", "nothing"]


class StoredPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One place of the home, and what it keeps of persons."""

    place: str
    """File or folder of the state directory, and what of it."""
    keeps: str
    """What it has of persons, in words."""
    until: str
    erasing: Erasing
    """What erasing a person does there: `in part` where books and what you declared stay; `yours`: nothing,
    since you made it; `nothing`: there is nothing of persons."""


class MeasuredPlace(StoredPlace, frozen=True, kw_only=True):
    """A place with its size on this machine."""

    bytes: int
    """0 where it is not there."""


INVENTORY = (
    StoredPlace(
        place="journal/",
        keeps="calls as their writers record them: figures and attribution, never content",
        until="they are in ledger.db, some seconds later",
        erasing="overwritten",
    ),
    StoredPlace(
        place="spool/",
        keeps="events that other programs left, to be taken in",
        until="they are in ledger.db; refused/ until you remove it",
        erasing="yours",
    ),
    StoredPlace(
        place="ledger.db",
        keeps="users, customers, sessions, tasks, tags and processes of calls, each once, with a salt",
        until="you erase them, or `farebox privacy retention` does; calls and sums for ever",
        erasing="erased",
    ),
    StoredPlace(
        place="analytics.duckdb",
        keeps="a copy of ledger.db that answers questions",
        until="ledger.db changes",
        erasing="made again",
    ),
    StoredPlace(
        place="alerts.sums",
        keeps="sums of alerts for each user, customer, session or tag",
        until="their period is over",
        erasing="made again",
    ),
    StoredPlace(
        place="control.db: history of alerts",
        keeps="whose calls an alert was about",
        until="you erase them",
        erasing="erased",
    ),
    StoredPlace(
        place="control.db: outbox",
        keeps="messages to receivers: alerts, invoices, usage",
        until="7 days after they were delivered, 30 days where they could not be",
        erasing="in part",
    ),
    StoredPlace(
        place="control.db: usage handed over",
        keeps="usage of customers by hour, day or call, as a receiver has it",
        until="90 days after a receiver took it; sums of a day for ever",
        erasing="erased",
    ),
    StoredPlace(
        place="control.db: customers, keys, tokens, budgets, stops",
        keeps="names, addresses and tax numbers of customers; whose calls a key or token makes; limits",
        until="you remove them",
        erasing="yours",
    ),
    StoredPlace(
        place="control.db: invoices, wallets, double entries",
        keeps="customers as they were billed",
        until="the law lets you remove the whole record: 6 to 10 years in most countries",
        erasing="kept",
    ),
    StoredPlace(
        place="control.db: audit",
        keeps="who changed what, with what it was before and after",
        until="for ever; what an entry says of a person can be erased",
        erasing="in part",
    ),
    StoredPlace(
        place="snapshot.json",
        keeps="what control.db and farebox.yaml declare",
        until="they change",
        erasing="made again",
    ),
    StoredPlace(place="farebox.yaml", keeps="what you declared", until="you change it", erasing="yours"),
    StoredPlace(
        place="quarantine/",
        keeps="records that could not be decoded, byte for byte",
        until="you remove them",
        erasing="yours",
    ),
    StoredPlace(
        place="budgets/",
        keeps="counters of limits, by digests of what they are of",
        until="the machine starts again",
        erasing="made again",
    ),
    StoredPlace(
        place="cache/, prices.d/, prices/",
        keeps="prices and the catalog",
        until="you remove them",
        erasing="nothing",
    ),
)
NOWHERE = "Prompts, completions and tool arguments are stored nowhere; of an API key, a keyed fingerprint."
ELSEWHERE = (
    "Backups, exports, packages for auditors and receivers of messages have what they were given: "
    "erase it there, too."
)


def inventory(home: Home) -> list[MeasuredPlace]:
    """Return every place with its size."""
    return [
        MeasuredPlace(**msgspec.structs.asdict(each), bytes=sum(map(_size, _paths(home, each.place))))
        for each in INVENTORY
    ]


def _paths(home: Home, place: str) -> list[Path]:
    names = place.partition(":")[0].split(", ")
    return [home.path / name.rstrip("/") for name in names]


def _size(path: Path) -> int:
    beside = [path.with_name(path.name + end) for end in ("-wal", "-journal", ".wal")]
    files = [each for each in (path, *beside) if each.is_file()]
    if path.is_dir():
        files += [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
