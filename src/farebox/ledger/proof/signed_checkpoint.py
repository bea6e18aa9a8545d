"""Checkpoints with a signature: text that says how far each chain was, signed by this installation's key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from farebox.errors import FareboxError
from farebox.ledger.database import Connection, schema_version
from farebox.signing_key import Signed, SigningKey, broken_succession, is_signed
from farebox.standard_error import tell

Sign = Callable[[str], Signed]
TITLE = "farebox record checkpoint 1"
CHAINS = ("witness", "outcome", "score")
"""Chains beside the rows and the marks, of which the table of checkpoints says nothing."""

_CHECKPOINTS = (
    "SELECT c.seq, c.hash, c.mark_id, c.mark_hash, c.recorded_at, s.text, s.key, s.signature "
    "FROM checkpoint c JOIN checkpoint_signature s ON s.seq = c.seq ORDER BY c.seq"
)
_STRAYS = "SELECT seq FROM checkpoint_signature WHERE seq NOT IN (SELECT seq FROM checkpoint) ORDER BY seq"


def write_signature(connection: Connection, sign: Sign, seq: int, now_ns: int) -> None:
    """Sign the checkpoint of a row, in the transaction that wrote it.

    Where nothing can be signed, the record goes on, and standard error says so: the checkpoint stays without
    a signature, and the next one that is signed covers all before it.
    """
    text = checkpoint_text(connection, seq)
    try:
        said = sign(text)
    except (FareboxError, OSError, ImportError) as error:
        tell(f"farebox ledger: a checkpoint was not signed: {error}")
        return
    connection.execute(
        "INSERT INTO checkpoint_signature VALUES (?, ?, ?, ?)", (seq, said.text, said.key, said.signature)
    )


def checkpoint_text(connection: Connection, seq: int) -> str:
    """Return what is signed: which record it is, and where each chain is."""
    row = connection.execute(
        "SELECT hash, mark_id, mark_hash, recorded_at FROM checkpoint WHERE seq = ?", (seq,)
    ).fetchone()
    ends: dict[str, tuple[int, bytes]] = {
        chain: (last, hash)
        for chain, last, hash in connection.execute("SELECT chain, last_id, hash FROM chain_end")
    }
    return _text(record_id(connection), seq, *row, ends=ends)


def record_id(connection: Connection) -> str:
    """Return which record it is: the beginning of its first block's hash."""
    first = connection.execute("SELECT hash FROM block ORDER BY first_seq LIMIT 1").fetchone()
    return bytes(first[0]).hex()[:32] if first else ""


def signature_problems(connection: Connection, keys: list[SigningKey]) -> list[tuple[int, str]]:
    """Return what is wrong with signatures, by the row of their checkpoint."""
    if schema_version(connection) < 4:
        return []  # a ledger that no writer of this version has opened yet
    found: list[tuple[int, str]] = []
    home, ours = record_id(connection), {each.public for each in keys}
    broken = broken_succession(keys)
    if broken is not None:
        found.append((0, f"the key {broken[:16]} is not signed by the one before it"))
    for seq, hash, mark_id, mark_hash, at, text, key, signature in connection.execute(_CHECKPOINTS):
        wanted = _text(home, seq, hash, mark_id, mark_hash, at, ends={})
        if _without_ends(text) != wanted:
            found.append((seq, f"the signed text at row {seq} does not say what the checkpoint says"))
        elif ours and key not in ours:
            found.append((seq, f"the checkpoint at row {seq} is signed with a key that is not in audit.key"))
        elif not is_signed(Signed(text=text, key=key, signature=signature)):
            found.append((seq, f"the signature of the checkpoint at row {seq} is not its key's"))
        else:
            found += [(seq, words) for words in _end_problems(connection, text)]
    found += [
        (seq, f"the checkpoint of a signature, at row {seq}, is missing")
        for (seq,) in connection.execute(_STRAYS)
    ]
    return found


def _end_problems(connection: Connection, text: str) -> list[str]:
    """Return which chains no longer have the row that a signed text names."""
    found: list[str] = []
    for line in text.splitlines():
        chain, _, said = line.partition(" ")
        if chain in CHAINS:
            number, _, hash = said.partition(" ")
            row = connection.execute(
                f"SELECT hash FROM {chain} WHERE id = ?",  # noqa: S608 - names from constants
                (int(number),),
            ).fetchone()
            if row is None or bytes(row[0]).hex() != hash:
                found.append(f"{chain} {number} is not the one that was signed")
    return found


def _text(
    home: str,
    seq: int,
    hash: bytes,
    mark_id: int,
    mark_hash: bytes,
    at: int,
    *,
    ends: Mapping[str, tuple[int, bytes]],
) -> str:
    lines = [TITLE, f"record {home}", f"row {seq} {hash.hex()}", f"mark {mark_id} {mark_hash.hex()}"]
    lines += [f"{chain} {ends[chain][0]} {ends[chain][1].hex()}" for chain in CHAINS if chain in ends]
    return "\n".join([*lines, f"at {at}", ""])


def _without_ends(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if line.partition(" ")[0] not in CHAINS)
