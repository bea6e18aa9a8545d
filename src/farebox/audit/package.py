"""The package for an auditor: rows of a span, the chains, signed checkpoints, the audit, invoices, the
verifier.

Values that name persons are not in it: the record's chain covers commitments to them, and these are. Of
blocks outside the span there is the digest, so that the chain is whole from its first row.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from farebox.clock import iso
from farebox.control.audit import entries
from farebox.control.database import open_control
from farebox.control.schema import credit_note, invoice
from farebox.errors import LedgerError, UsageError
from farebox.home import Home
from farebox.ledger.append.blocks import CALL_AT, checksums_of, encoded_rows
from farebox.ledger.append.dictionaries import CALL_CLASS
from farebox.ledger.block_detail import decode_detail
from farebox.ledger.database import Connection, open_reader, schema_version
from farebox.ledger.proof.block_check import SELECT, check_block, digested
from farebox.ledger.proof.signed_checkpoint import record_id
from farebox.signing_key import keys, sign

FORMAT = "farebox.audit-package/1"
_BLOCKS = "SELECT first_seq, last_seq, last_personal, recorded_at, detail, hash FROM block ORDER BY first_seq"
_ROWS = SELECT + "WHERE c.seq BETWEEN ? AND ? ORDER BY c.seq"
_README = """A package of `farebox audit export`.

Verify it, with any Python from 3.9 on and nothing else:

    python3 verify.py --key THE_PUBLIC_KEY_YOU_WERE_GIVEN

record/    the calls of the span as they are chained, every block's link, marks, signed checkpoints
audit/     who changed what, with what it was before and after
invoices/  final invoices and credit notes, byte for byte
"""


class Package(msgspec.Struct, kw_only=True):
    """What was written."""

    path: str
    rows: int
    blocks: int
    checkpoints: int
    entries: int
    documents: int
    key: str
    """The public key that it is signed with."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Of which moments rows are in the package, by when they were recorded; None is open."""

    since_ns: int | None = None
    until_ns: int | None = None

    def has(self, recorded_at: int) -> bool:
        """Return whether a block is in it."""
        after = self.since_ns is None or recorded_at >= self.since_ns
        return after and (self.until_ns is None or recorded_at < self.until_ns)


def export(home: Home, target: Path, span: Span, now_ns: int) -> Package:
    """Write a package into a new folder, or a file that ends in `.zip`.

    Raises:
        UsageError: There is something already.
        LedgerError, ControlError: Record or control database cannot be read.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target} is there already: name a new folder, or a new file that ends in .zip")
    known = keys(home, now_ns)
    files: dict[str, bytes] = {"README.txt": _README.encode(), "verify.py": _verifier()}
    manifest: dict[str, Any] = {"format": FORMAT, "made_at": iso(now_ns), "record": "", "record_head": ""}
    manifest |= {"class_at": CALL_AT["call_class"], "attribution_at": CALL_AT["attribution"]}
    found = Package(
        path=str(target), rows=0, blocks=0, checkpoints=0, entries=0, documents=0, key=known[-1].public
    )
    _put_record(home, span, files, manifest, found)
    _put_control(home, files, manifest, found)
    manifest["span"] = {
        "since": None if span.since_ns is None else iso(span.since_ns),
        "until": None if span.until_ns is None else iso(span.until_ns),
    }
    manifest["keys"] = [
        {"public": key.public, "since_ns": key.since_ns, "signed_by_previous": key.signed_by_previous}
        for key in known
    ]
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    content = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"))
    text = f"farebox audit package 1\nsha256 {hashlib.sha256(content).hexdigest()}\n"
    files["manifest.json"] = content
    files["manifest.signature.json"] = msgspec.json.encode(sign(home, text, now_ns))
    _write(target, files)
    return found


def _put_record(
    home: Home, span: Span, files: dict[str, bytes], manifest: dict[str, Any], found: Package
) -> None:
    connection = open_reader(home)
    if connection is None:
        return
    try:
        with connection:
            manifest["record"] = record_id(connection)
            rows: list[Any] = []
            blocks = list(_blocks(connection, span, rows))
            if blocks:
                manifest["record_head"] = f"{blocks[-1]['last']}:{blocks[-1]['hash']}"
            checkpoints = list(_checkpoints(connection))
            files["record/blocks.jsonl"] = _lines(blocks)
            files["record/rows.jsonl"] = _lines(rows)
            files["record/classes.jsonl"] = _lines(_classes(connection))
            files["record/attributions.jsonl"] = _lines(_attributions(connection))
            files["record/marks.jsonl"] = _lines(_marks(connection))
            files["record/checkpoints.jsonl"] = _lines(checkpoints)
    finally:
        connection.close()
    found.rows, found.blocks, found.checkpoints = len(rows), len(blocks), len(checkpoints)


def _blocks(connection: Connection, span: Span, rows: list[Any]) -> Iterator[dict[str, Any]]:
    before = 0
    for first, last, personal, recorded_at, detail, hash in connection.execute(_BLOCKS).fetchall():
        there = connection.execute(_ROWS, (first, last)).fetchall()
        checked = check_block(first, last, there, detail)
        commitments = b"".join(
            row[0]
            for row in connection.execute(
                "SELECT commitment FROM personal WHERE id > ? AND id <= ? ORDER BY id",
                (_covered(connection, first, before), personal),
            )
        )
        said: dict[str, Any] = {
            "first": first,
            "last": last,
            "recorded_at": recorded_at,
            "commitments_sha256": hashlib.sha256(commitments).hexdigest(),
            "digest": checked.digest.hex(),
            "hash": hash.hex(),
        }
        if span.has(recorded_at):
            said["detail"] = detail.hex()
            values = [digested(row) for row in there]
            said["checksums"] = _checksums(detail, values)
            rows += [
                {"seq": seq, "values": [_plain(value) for value in row]}
                for seq, row in enumerate(values, first)
            ]
        yield said
        before = personal


def _covered(connection: Connection, first: int, before: int) -> int:
    """Return the last personal value that came before a block: with a block, or with a witness."""
    statement = "SELECT max(last_personal) FROM witness WHERE after_seq < ?"
    (found,) = connection.execute(statement, (first,)).fetchone()
    return max(before, found or 0)


def _checksums(detail: bytes, values: list[tuple[Any, ...]]) -> list[int]:
    """Return what the block promises of each row, which says which of them is wrong."""
    try:
        promised = decode_detail(detail).checksums
    except LedgerError:
        promised = checksums_of(encoded_rows(values))
    return list(memoryview(promised).cast("I"))


def _classes(connection: Connection) -> Iterator[dict[str, Any]]:
    names = ", ".join(CALL_CLASS)
    for digest, *values in connection.execute(f"SELECT digest, {names} FROM call_class ORDER BY id"):  # noqa: S608
        yield {"digest": digest.hex(), "names": list(CALL_CLASS), "values": values}


def _attributions(connection: Connection) -> Iterator[dict[str, Any]]:
    for digest, verified, fields in connection.execute(
        "SELECT digest, verified, fields FROM attribution ORDER BY id"
    ):
        yield {"digest": digest.hex(), "verified": verified, "fields": fields}


def _marks(connection: Connection) -> Iterator[dict[str, Any]]:
    for *values, hash in connection.execute(
        "SELECT id, recorded_at, writer, kind, detail, hash FROM mark ORDER BY id"
    ):
        yield {"values": values, "hash": hash.hex()}


def _checkpoints(connection: Connection) -> Iterator[dict[str, Any]]:
    if schema_version(connection) < 4:
        return
    for text, key, signature in connection.execute(
        "SELECT text, key, signature FROM checkpoint_signature ORDER BY seq"
    ):
        yield {"text": text, "key": key, "signature": signature}


def _put_control(home: Home, files: dict[str, bytes], manifest: dict[str, Any], found: Package) -> None:
    manifest["audit_head"] = ""
    if not home.control.exists():
        return
    with open_control(home).reading() as connection:
        log = [msgspec.to_builtins(each) for each in entries.in_order(connection)]
        if log:
            manifest["audit_head"] = f"{log[-1]['number']}:{log[-1]['hash']}"
        files["audit/entries.jsonl"] = _lines(log)
        documents = [
            {
                "kind": kind,
                "id": row.id,
                "number": f"{row.series}-{row.number:06d}",
                "sha256": row.sha256,
                "document": row.document,
                "checkpoint": None if signed is None else msgspec.json.decode(signed),
            }
            for kind, table in (("invoice", invoice), ("credit note", credit_note))
            for row in connection.execute(select(table).order_by(table.c.series, table.c.number))
            for signed in (row.checkpoint if kind == "invoice" else None,)
        ]
        files["invoices/index.jsonl"] = _lines(documents)
    found.entries, found.documents = len(log), len(documents)


def _plain(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _lines(said: Iterable[Any]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in said)


def _verifier() -> bytes:
    return (resources.files("farebox.audit") / "verify_package.py").read_bytes()


def _write(target: Path, files: dict[str, bytes]) -> None:
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(f"{target.stem}/{name}", content)
        target.chmod(0o600)
        return
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(content)
