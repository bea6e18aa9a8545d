"""A package for an auditor: verified by one file with the standard library, and every edit named by it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from calls import NOON, OnePriceBook, batch, done

from farebox.audit import verify_package
from farebox.audit.package import Span, export
from farebox.audit.verify_package import packed
from farebox.config import KeyConfig
from farebox.control.audit.verification import verify_audit
from farebox.control.database import open_control
from farebox.control.file_changes import replace_signing_key
from farebox.control.key_changes import label_key
from farebox.errors import UsageError
from farebox.home import Home
from farebox.ledger import verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.database import open_writer
from farebox.signing_key import Signed, SigningKey, is_signed, key_file, keys, known_keys, sign

LONG = bool(os.environ.get("FAREBOX_LONG"))
MINUTE = 60_000_000_000


def recorded(home: Home, blocks: int = 6) -> None:
    """Record calls of some customers, with a signed checkpoint after each block."""
    now = [NOON]
    connection = open_writer(home)
    applier = Applier(
        connection, OnePriceBook(), clock=lambda: now[0], sign=lambda text: sign(home, text, now[0])
    )
    for number in range(blocks):
        whose = {"customer": f"c{number % 2}", "user": f"user-{number}@example.com"}
        exchanges = [done(NOON + number * MINUTE + each, attribution=whose) for each in range(4)]
        applier.apply("proxy-test", [batch(*exchanges)])
        now[0] += 2 * MINUTE
        applier.checkpoint_if_due()
    connection.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.prepare()
    recorded(made)
    for number in range(3):
        label_key(
            made, f"{number:016x}", KeyConfig(label=f"key {number}", customer="c1"), "uid:1", number + 1
        )
    return made


def written(home: Home, to: Path, span: Span | None = None) -> Path:
    export(home, to, span or Span(), NOON)
    return to


def standalone(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier of a package with nothing but Python itself."""
    asked = [sys.executable, "-I", "-S", str(folder / "verify.py"), *flags]
    return subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)


def test_a_package_is_verified_by_its_own_file_with_nothing_but_python(home: Home, tmp_path: Path) -> None:
    folder = written(home, tmp_path / "package")
    (key,) = known_keys(home)
    ran = standalone(folder, "--key", key.public)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "rows verified: 24" in ran.stdout
    assert "signed checkpoints: 6" in ran.stdout
    assert "audit entries: 4" in ran.stdout  # three names, and the key that signs
    other = standalone(folder, "--key", "ab" * 32)
    assert other.returncode == 1
    assert "somebody else signed it" in other.stdout


def test_names_of_persons_are_not_among_the_calls(home: Home, tmp_path: Path) -> None:
    folder = written(home, tmp_path / "package")
    content = b"".join(path.read_bytes() for path in (folder / "record").iterdir())
    assert b"example.com" not in content
    assert known_keys(home)[-1].secret.encode() not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )


def test_of_a_span_the_rows_are_there_and_of_the_rest_the_chain(home: Home, tmp_path: Path) -> None:
    folder = written(home, tmp_path / "package", Span(since_ns=NOON + 4 * MINUTE, until_ns=NOON + 8 * MINUTE))
    problems, figures = verify_package.verify(folder)
    assert problems == []
    assert (figures["rows verified"], figures["blocks in the chain"]) == (8, 7)


def test_a_file_is_written_and_nothing_is_overwritten(home: Home, tmp_path: Path) -> None:
    file = written(home, tmp_path / "package.zip")
    with zipfile.ZipFile(file) as packed_file:
        packed_file.extractall(tmp_path / "out")
    assert verify_package.verify(tmp_path / "out" / "package")[0] == []
    with pytest.raises(UsageError, match="is there already"):
        written(home, file)


def test_a_replaced_key_is_known_by_the_one_before_it(home: Home, tmp_path: Path) -> None:
    (first,) = known_keys(home)
    replace_signing_key(home, "uid:1", 9)
    old, fresh = known_keys(home)
    assert (old.public, old.secret, bool(fresh.secret)) == (first.public, "", True)
    assert key_file(home).stat().st_mode & 0o777 == 0o600
    folder = written(home, tmp_path / "package")
    assert verify_package.verify(folder, first.public)[0] == []
    assert verify(home).problems == []
    with open_control(home).reading() as connection:
        assert verify_audit(connection).problems == []
    forged = msgspec.structs.replace(fresh, signed_by_previous="00" * 64)
    key_file(home).write_bytes(b"\n".join(map(msgspec.json.encode, (old, forged))))
    assert [each.what for each in verify(home).problems] == ["checkpoint"]


def test_a_key_is_made_once_and_is_nowhere_in_clear_words(home: Home) -> None:
    assert keys(home, 1) == keys(home, 2)
    assert known_keys(home)[-1].secret not in repr(known_keys(home))


# -- the verifier's own arithmetic --


def test_signatures_are_judged_as_the_library_judges_them(tmp_path: Path) -> None:
    home, chance = Home(tmp_path / "keys"), random.Random(5)
    home.prepare()
    for turn in range(40 if LONG else 6):
        said = sign(home, f"farebox {chance.random()}", 1)
        plain = msgspec.to_builtins(said)
        assert verify_package.is_signed(plain)
        field = chance.choice(("text", "key", "signature"))
        at = chance.randrange(len(plain[field]))
        other = "0" if plain[field][at] != "0" else "1"
        wrong = {**plain, field: plain[field][:at] + other + plain[field][at + 1 :]}
        assert not verify_package.is_signed(wrong), turn
        assert not is_signed(msgspec.convert(wrong, type(said)))


@pytest.mark.parametrize("value", [0, 127, 128, 255, 256, 2**16, 2**32, 2**63, 2**64 - 1])
def test_rows_are_packed_as_the_ledger_packs_them(value: int) -> None:
    said: tuple[Any, ...] = (value, -value if value <= 2**63 else -1, None, True, "ä" * (value % 300))
    said = (*said, b"x" * (value % 70_000), "y" * min(value, 70_000), (1,) * (value % 20))
    assert packed(said) == msgspec.msgpack.encode(said)


# -- edits by somebody who makes the digests right again --


@cache
def exported(folder: Path) -> dict[str, bytes]:
    home = Home(folder / "mutated")
    home.prepare()
    recorded(home, 4)
    for number in range(3):
        label_key(home, f"{number:016x}", KeyConfig(label=f"key {number}"), "uid:1", number + 1)
    to = written(home, folder / "mutated-package")
    return {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def edited(files: dict[str, bytes], name: str, change: Callable[[list[Any]], None], to: Path) -> list[str]:
    """Return what the verifier says after a change whose file's digest was made right in the manifest."""
    made = dict(files)
    said = [json.loads(line) for line in made[name].splitlines()]
    change(said)
    made[name] = b"".join(json.dumps(each).encode() + b"\n" for each in said)
    manifest = json.loads(made["manifest.json"])
    manifest["files"][name] = hashlib.sha256(made[name]).hexdigest()
    made["manifest.json"] = json.dumps(manifest).encode()
    for path, content in made.items():
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        (to / path).write_bytes(content)
    return verify_package.verify(to)[0]


def test_random_edits_of_a_package_are_found_where_they_are(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = cache(lambda *said: is_signed(Signed(text=said[0], key=said[1], signature=said[2])))
    monkeypatch.setattr(
        verify_package, "is_signed", lambda said: judged(said["text"], said["key"], said["signature"])
    )
    files = exported(tmp_path_factory.getbasetemp())
    chance = random.Random(70)
    for turn in range(1_000 if LONG else 40):
        at_row, at_value, at_entry = chance.randrange(16), chance.randrange(21), chance.randrange(4)

        def change_row(rows: list[Any], row: int = at_row, at: int = at_value) -> None:
            value = rows[row]["values"][at]
            if isinstance(value, dict):
                rows[row]["values"][at] = {
                    "hex": "ff" + value["hex"][2:] if value["hex"][:2] != "ff" else "00"
                }
            else:
                rows[row]["values"][at] = (
                    1 if value is None else f"{value}x" if isinstance(value, str) else value + 1
                )

        def change_entry(entries: list[Any], at: int = at_entry) -> None:
            field = chance.choice(("actor", "action", "subject", "detail", "changes", "at", "salt", "hash"))
            value = entries[at][field]
            entries[at][field] = (
                value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1:] != "0" else "1")
            )

        if turn % 2:
            found = edited(files, "record/rows.jsonl", change_row, tmp_path / "edited")
            assert any(f"record row {at_row + 1}:" in each for each in found), (turn, found)
        else:
            found = edited(files, "audit/entries.jsonl", change_entry, tmp_path / "edited")
            assert any(f"audit entry {at_entry + 1}:" in each for each in found), (turn, found)
        assert "manifest.json: not the one that was signed" in found
        (tmp_path / "edited" / ("record/rows.jsonl" if turn % 2 else "audit/entries.jsonl")).unlink()
    for _ in range(100 if LONG else 1):
        assert edited(files, "record/marks.jsonl", lambda _: None, tmp_path / "same")[1:] == []


@pytest.mark.parametrize(
    ("name", "at", "where"),
    [
        ("record/blocks.jsonl", 1, "record row 5"),
        ("record/checkpoints.jsonl", 0, "record row 4"),
        ("record/rows.jsonl", 9, "record row 10"),
        ("audit/entries.jsonl", 2, "audit entry 3"),
    ],
)
def test_what_was_taken_out_is_missed(
    name: str, at: int, where: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def take_out(said: list[Any]) -> None:
        if name == "record/checkpoints.jsonl":
            said[at]["text"] = said[at]["text"].replace("row 4", "row 3")
        else:
            del said[at]

    found = edited(exported(tmp_path_factory.getbasetemp()), name, take_out, tmp_path / "edited")
    assert any(where in each or "row 3:" in each for each in found), found


def test_a_signed_checkpoint_of_the_ledger_that_was_changed_is_named(home: Home) -> None:
    import apsw

    assert verify(home).problems == []
    connection = apsw.Connection(str(home.ledger))
    trigger = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE name = 'checkpoint_signature_never_updated'"
    ).fetchone()
    connection.execute("DROP TRIGGER checkpoint_signature_never_updated")
    connection.execute(
        "UPDATE checkpoint_signature SET signature = replace(signature, 'a', 'b') WHERE seq = 12"
    )
    assert trigger is not None
    connection.execute(str(trigger[0]))
    connection.close()
    (problem,) = verify(home).problems
    assert (problem.what, problem.seq) == ("checkpoint", 12)


def test_a_key_says_nothing_of_its_secret() -> None:
    assert "5ec" not in repr(SigningKey(public="ab", since_ns=1, secret="5ec"))
