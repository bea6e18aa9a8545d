"""What follows the record sees every row once, in order, with all it refers to."""

from __future__ import annotations

from ledgers import START, Record

from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Feed


def test_batches_are_every_row_once_and_in_order(record: Record) -> None:
    firsts = record.append({"occurred_at": START + number} for number in range(10))
    record.correct(firsts[3], cost_pico=7)
    feed, seen = Feed(record.connection), []
    while (batch := feed.after(seen[-1][0] if seen else 0, 5)).rows:
        seen += batch.rows
    assert [row[0] for row in seen] == list(range(1, 13)) == list(range(1, feed.last_seq() + 1))
    call_seq = ROW_COLUMNS.index("call_seq")
    assert [row[call_seq] for row in seen] == [*range(1, 11), firsts[3], firsts[3]]


def test_a_batch_has_what_its_rows_refer_to(record: Record) -> None:
    call = {
        "occurred_at": START,
        "model": "m",
        "user": "ann",
        "app": "a",
        "tag.feature": "x",
        "source": "proxy:1",
    }
    record.append([call])
    batch = Feed(record.connection).after(0, 5)
    (row,) = (dict(zip(ROW_COLUMNS, each, strict=True)) for each in batch.rows)
    assert batch.sources[row["source"]] == "proxy:1"
    assert dict(zip(CLASS_COLUMNS, batch.classes[row["call_class"]], strict=True))["model"] == "m"
    assert batch.attributions[row["attribution"]].fields == {"user": "ann", "app": "a", "tag.feature": "x"}


def test_of_an_erased_value_its_number_is_left(record: Record) -> None:
    record.append([{"occurred_at": START, "user": "ann", "app": "a"}])
    record.connection.execute("UPDATE personal SET value = NULL, salt = NULL WHERE value = 'ann'")
    (owner,) = Feed(record.connection).after(0, 5).attributions.values()
    assert owner.fields == {"user": "(erased 1)", "app": "a"}
