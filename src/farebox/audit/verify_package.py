#!/usr/bin/env python3
# pyright: basic
"""Verify a package that `farebox audit export` wrote: without Farebox, without a network, standard
library only. What it reads is plain JSON, and is checked as it is used.

    python3 verify.py [FOLDER] [--key PUBLIC_KEY]

Checked are the manifest's signature and every file's digest; the keys, each signed by the one before it;
the chain
over every block of the record and, in the exported span, over every row and its classes and attributions; the
chain of marks; the signed checkpoints; the chain of the audit; and each invoice and credit note, with the
signature of the invoice. `--key` is the public key that you were given by other means: without it the package
proves only that it is whole in itself. Exit status: 0 all well, 1 something is wrong, 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

GENESIS = bytes(32)


def main() -> int:
    """Verify the package beside this file, or in the folder that is named."""
    parser = argparse.ArgumentParser(description="Verify a package of `farebox audit export`.")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).parent), help="the unpacked package")
    parser.add_argument("--key", help="the public key that you know (64 hex digits): `farebox audit key`")
    said = parser.parse_args()
    try:
        problems, figures = verify(Path(said.folder), said.key)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"the package cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for problem in problems[:100]:
        print(f"WRONG  {problem}")
    for name, value in figures.items():
        print(f"{name}: {value}")
    if not problems and not said.key:
        print("whole in itself; compare the first key with one you were given: --key")
    print("all as it was written" if not problems else f"first: {problems[0]}")
    return 1 if problems else 0


def verify(folder: Path, known_key: str | None = None) -> tuple[list[str], dict[str, object]]:
    """Return what is wrong, the first place first, and what was checked."""
    problems: list[str] = []
    manifest_bytes = (folder / "manifest.json").read_bytes()
    manifest = json.loads(manifest_bytes)
    signed = json.loads((folder / "manifest.signature.json").read_bytes())
    keys = manifest["keys"]
    problems += check_keys(keys, known_key)
    ours = {each["public"] for each in keys}
    wanted = f"farebox audit package 1\nsha256 {hashlib.sha256(manifest_bytes).hexdigest()}\n"
    if signed["text"] != wanted:
        problems.append("manifest.json: not the one that was signed")
    elif signed["key"] not in ours or not is_signed(signed):
        problems.append("manifest.json: the signature is not of a key of this package")
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{name}: not as it was exported")
    heads, rows = check_record(folder, manifest, problems)
    check_marks(folder, problems)
    checkpoints = check_checkpoints(folder, manifest, heads, ours, problems)
    entries = check_audit(folder, manifest, problems)
    documents = check_documents(folder, manifest, heads, ours, problems)
    return problems, {
        "rows verified": rows,
        "blocks in the chain": len(heads),
        "signed checkpoints": checkpoints,
        "audit entries": entries,
        "invoices and credit notes": documents,
        "first key": keys[0]["public"] if keys else "none",
    }


def lines(path: Path) -> list[dict]:
    """Return the objects of a file with one in each line; none where there is no file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def check_keys(keys: list[dict], known: str | None) -> list[str]:
    """Each key is signed by the one before it, and the one that is known is among them."""
    found = []
    for old, fresh in zip(keys, keys[1:]):  # noqa: B905, RUF007 - for Python 3.9, too
        since = f"since {fresh['since_ns']}"
        text = f"farebox key succession 1\nold {old['public']}\nnew {fresh['public']}\n{since}\n"
        said = {"text": text, "key": old["public"], "signature": fresh.get("signed_by_previous", "")}
        if not is_signed(said):
            found.append(f"keys: {fresh['public'][:16]} is not signed by the key before it")
    if known is not None and known.lower() not in {each["public"] for each in keys}:
        found.append("keys: the key that you know is not one of this package: somebody else signed it")
    return found


# -- the record --


def check_record(folder: Path, manifest: dict, problems: list[str]) -> tuple[dict[int, str], int]:
    """Recompute the chain over all blocks, from their rows where these are in the package."""
    classes = {each["digest"]: each["values"] for each in lines(folder / "record/classes.jsonl")}
    for digest, values in classes.items():
        if hashlib.sha256(packed(values)).hexdigest() != digest:
            problems.append(f"record/classes.jsonl: {digest[:16]} is not as it was appended")
    attributions = {each["digest"]: each for each in lines(folder / "record/attributions.jsonl")}
    for digest, each in attributions.items():
        if hashlib.sha256(packed([each["verified"], each["fields"]])).hexdigest() != digest:
            problems.append(f"record/attributions.jsonl: {digest[:16]} is not as it was appended")
    rows: dict[int, list] = {}
    for each in lines(folder / "record/rows.jsonl"):
        rows[each["seq"]] = [unpacked(value) for value in each["values"]]
    heads: dict[int, str] = {0: ""}
    previous, expected, checked = GENESIS, 1, 0
    for block in lines(folder / "record/blocks.jsonl"):
        first, last = block["first"], block["last"]
        if first != expected:
            problems.append(f"record row {expected}: rows {expected} to {first - 1} are missing")
        digest = bytes.fromhex(block["digest"])
        if "detail" in block:
            there = [rows.get(seq) for seq in range(first, last + 1)]
            for seq, row in enumerate(there, first):
                if row is None:
                    problems.append(f"record row {seq}: missing")
                elif row[manifest["class_at"]].hex() not in classes:
                    problems.append(f"record row {seq}: its class is missing")
                elif row[manifest["attribution_at"]].hex() not in attributions:
                    problems.append(f"record row {seq}: its attribution is missing")
            encoded = [packed(row) for row in there if row is not None]
            promised = block["checksums"]
            found = hashlib.sha256(b"".join(encoded) + bytes.fromhex(block["detail"])).digest()
            if found != digest:
                problems.append(f"record row {changed_row(first, encoded, promised)}: not as it was appended")
            checked += len(encoded)
        values = [first, last, block["recorded_at"], bytes.fromhex(block["commitments_sha256"]), digest]
        previous = hashlib.sha256(b"\x01" + previous + packed(values)).digest()
        if previous.hex() != block["hash"]:
            problems.append(f"record row {first}: the chain breaks in rows {first} to {last}")
            previous = bytes.fromhex(block["hash"])
        heads[last] = block["hash"]
        expected = last + 1
    head = f"{expected - 1}:{previous.hex()}" if expected > 1 else ""
    if head != manifest["record_head"]:
        problems.append(
            f"record row {expected}: the record ends at {expected - 1}, not where the manifest says"
        )
    return heads, checked


def changed_row(first: int, encoded: list[bytes], promised: list[int]) -> int:
    """Return the first row whose checksum is not the promised one, else the first of the block."""
    from zlib import crc32

    for at, (row, checksum) in enumerate(zip(encoded, promised)):  # noqa: B905 - for Python 3.9, too
        if crc32(row) != checksum:
            return first + at
    return first


def check_marks(folder: Path, problems: list[str]) -> None:
    """Recompute the chain of marks: gaps, losses, erasures."""
    previous = GENESIS
    for number, mark in enumerate(lines(folder / "record/marks.jsonl"), 1):
        previous = hashlib.sha256(b"\x01" + previous + packed(mark["values"])).digest()
        if mark["values"][0] != number or previous.hex() != mark["hash"]:
            problems.append(f"record mark {number}: not as it was written")
            previous = bytes.fromhex(mark["hash"])


def check_checkpoints(
    folder: Path, manifest: dict, heads: dict[int, str], ours: set[str], problems: list[str]
) -> int:
    """Each checkpoint is signed, and is what the chain was at its row."""
    marks = {each["values"][0]: each["hash"] for each in lines(folder / "record/marks.jsonl")}
    number = 0
    for each in lines(folder / "record/checkpoints.jsonl"):
        number += 1
        facts = facts_of(each["text"], "farebox record checkpoint 1")
        seq, hash = int(facts["row"][0]), facts["row"][1]
        mark, mark_hash = int(facts["mark"][0]), facts["mark"][1]
        if each["key"] not in ours or not is_signed(each):
            problems.append(f"record row {seq}: the checkpoint's signature is not of a key of this package")
        elif facts["record"][0] != manifest["record"] or heads.get(seq) != hash:
            problems.append(f"record row {seq}: not what was signed")
        elif mark and marks.get(mark) != mark_hash:
            problems.append(f"record mark {mark}: not what was signed")
    return number


# -- the audit --


def check_audit(folder: Path, manifest: dict, problems: list[str]) -> int:
    """Recompute each entry's digest and link."""
    previous, number = "0" * 64, 0
    silent: set[int] = set()
    for each in lines(folder / "audit/entries.jsonl"):
        number += 1
        if each["number"] != number:
            problems.append(f"audit entry {number}: missing")
            number = each["number"]
        digest = each["digest"]
        if each["salt"]:
            said = framed([each["subject"], each["detail"], each["changes"]])
            try:
                digest = hashlib.sha256(bytes.fromhex(each["salt"]) + said).hexdigest()
            except ValueError:
                digest = ""
        else:
            silent.add(number)
            if each["subject"] or each["detail"] or each["changes"]:
                digest = ""
        texts = [previous, str(number), each["id"], str(each["at"]), each["actor"], each["action"], digest]
        link = hashlib.sha256(b"farebox audit 1\n" + framed(texts)).hexdigest()
        if digest != each["digest"] or link != each["hash"]:
            problems.append(f"audit entry {number}: not as it was written")
        previous = each["hash"]
        if each["action"] == "audit.erase" and each["detail"]:
            silent -= set(said_in(each["detail"], {}).get("numbers", ()))
    problems += [f"audit entry {each}: erased, and no entry says so" for each in sorted(silent)]
    if (f"{number}:{previous}" if number else "") != manifest["audit_head"]:
        problems.append(f"audit entry {number + 1}: the log ends at {number}, not where the manifest says")
    return number


def said_in(text: str, otherwise):
    """Return what an entry says; `otherwise` where it is no JSON: its digest is wrong then, too."""
    try:
        return json.loads(text or "null") or otherwise
    except ValueError:
        return otherwise


def framed(texts: list[str]) -> bytes:
    """Return texts one after the other, each with its length before it."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join(len(each).to_bytes(8, "big") + each for each in encoded)


# -- invoices --


def check_documents(
    folder: Path, manifest: dict, heads: dict[int, str], ours: set[str], problems: list[str]
) -> int:
    """Each document has the bytes that its checksum promises; each invoice is signed, of a row of this
    record."""
    noted = invoices_of_audit(folder)
    number = 0
    for each in lines(folder / "invoices/index.jsonl"):
        number += 1
        name = f"{each['kind']} {each['number']}"
        content = each["document"].encode()
        sha256 = hashlib.sha256(content).hexdigest()
        document = json.loads(content)
        if sha256 != each["sha256"]:
            problems.append(f"{name}: not the document that was issued")
        if document["id"] != each["id"] or document["number"] != each["number"]:
            problems.append(f"{name}: the document is another one's")
        if noted.get(each["id"], sha256) != each["sha256"]:
            problems.append(f"{name}: the audit says another checksum")
        if each.get("checkpoint") is None:
            continue
        signed = each["checkpoint"]
        facts = facts_of(signed["text"], "farebox invoice checkpoint 1")
        if signed["key"] not in ours or not is_signed(signed):
            problems.append(f"{name}: the signature is not of a key of this package")
        elif facts["sha256"] != [each["sha256"]] or facts["invoice"] != [each["id"], each["number"]]:
            problems.append(f"{name}: not what was signed")
        else:
            seq, hash = int(facts["row"][0]), facts["row"][1] if len(facts["row"]) > 1 else ""
            if hash and heads.get(seq) not in (hash, None):
                problems.append(f"{name}: the record at row {seq} is not what the invoice was made of")
    return number


def invoices_of_audit(folder: Path) -> dict[str, str]:
    """Return the checksums of documents as the audit has them."""
    found: dict[str, str] = {}
    for entry in lines(folder / "audit/entries.jsonl"):
        for row in said_in(entry["changes"], []):
            if row["kind"] in ("invoice", "credit_note") and row["after"]:
                found[row["key"][0]] = row["after"]["sha256"]
    return found


# -- encodings --


def facts_of(text: str, title: str) -> dict[str, list[str]]:
    """Return the lines of a signed text by their first word."""
    first, *rest = text.splitlines()
    if first != title:
        raise ValueError(f"{first!r} is no {title!r}")
    return {line.split(" ")[0]: line.split(" ")[1:] for line in rest}


def unpacked(value: object) -> object:
    """Return a value of a row: bytes are written as {"hex": …}."""
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def packed(value: object) -> bytes:
    """Return MessagePack as the chain is made over it: https://github.com/msgpack/msgpack/blob/master/spec.md"""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return packed_integer(value)
    if isinstance(value, str):
        text = value.encode()
        return sized(text, len(text), ((31, 0xA0), (0xFF, 0xD9), (0xFFFF, 0xDA), (0xFFFFFFFF, 0xDB)))
    if isinstance(value, bytes):
        return sized(value, len(value), ((0xFF, 0xC4), (0xFFFF, 0xC5), (0xFFFFFFFF, 0xC6)))
    if isinstance(value, (list, tuple)):
        body = b"".join(map(packed, value))
        return sized(body, len(value), ((15, 0x90), (0xFFFF, 0xDC), (0xFFFFFFFF, 0xDD)))
    raise ValueError(f"a row has no {type(value).__name__}")


def sized(body: bytes, size: int, heads: tuple[tuple[int, int], ...]) -> bytes:
    """Return a body with its shortest head: in one byte where the first limit is 15 or 31."""
    for limit, head in heads:
        if size <= limit:
            if limit in (15, 31):
                return bytes([head | size]) + body
            return bytes([head]) + size.to_bytes(limit.bit_length() // 8, "big") + body
    raise ValueError("too large")


def packed_integer(value: int) -> bytes:
    """Return an integer in its shortest form."""
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return bytes([256 + value])
    if value > 0:
        for head, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
            if value < 1 << 8 * size:
                return bytes([head]) + value.to_bytes(size, "big")
    for head, size in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
        if -(1 << 8 * size - 1) <= value:
            return bytes([head]) + value.to_bytes(size, "big", signed=True)
    raise ValueError("an integer of more than 64 bits")


# -- Ed25519 (RFC 8032), verification only --

_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)


def is_signed(said: dict) -> bool:
    """Return whether a text has this key's signature."""
    try:
        key, signature = bytes.fromhex(said["key"]), bytes.fromhex(said["signature"])
    except ValueError:
        return False
    if len(key) != 32 or len(signature) != 64:
        return False
    base, public, nonce = _BASE, _point(key), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if base is None or public is None or nonce is None or scalar >= _Q:
        return False
    hashed = hashlib.sha512(signature[:32] + key + said["text"].encode()).digest()
    challenge = int.from_bytes(hashed, "little") % _Q
    return _same(_times(scalar, base), _sum(nonce, _times(challenge, public)))


def _sum(one: tuple, other: tuple) -> tuple:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: tuple) -> tuple:
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = _sum(found, point)
        point = _sum(point, point)
        scalar >>= 1
    return found


def _same(one: tuple, other: tuple) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % _P == 0 == (one[1] * other[2] - other[1] * one[2]) % _P


def _point(encoded: bytes) -> tuple | None:
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else (0, y, 1, 0)
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))


if __name__ == "__main__":
    sys.exit(main())
