"""Lists as files: the same rows in each format, amounts as text, no cell that a spreadsheet runs."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fake_ledger import FakeLedger, call
from served import HOST, MINUTE, NOW, Answer, Site

from farebox.analytics.parquet import ParquetProcess
from farebox.errors import QuestionError
from farebox.home import Home
from farebox.server.api.lists import listing
from farebox.server.api.lists.rows import Rows
from farebox.server.api.route_groups import GROUPS
from farebox.server.assets import Assets

CALLS = "/api/v1/calls?since=all"
LISTS = sorted(
    operation.path
    for group in GROUPS
    for methods in group.routes.values()
    for operation in methods.values()
    if operation.rows is not None
)
NEEDED = {
    "/api/v1/margin": "?since=2026-11-01&until=2026-12-01",
    "/api/v1/payees/statements": "?payee=nobody",
    "/api/v1/prices/history": "?model=gpt-4o-mini",
}


def table(answer: Answer) -> list[dict[str, str]]:
    assert (answer.status, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.body.endswith(b"\r\n")
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def parquet(answer: Answer, tmp_path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the types and the rows of a Parquet file."""
    assert (answer.status, answer.headers["content-type"]) == (200, "application/vnd.apache.parquet")
    file = tmp_path / "x.parquet"
    file.write_bytes(answer.body)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(file)])
        names = [each[0] for each in found.description]
        types = {each[0]: str(each[1]) for each in found.description}
        return types, [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_every_format_has_the_rows_of_all_pages(site: Site, tmp_path: Path) -> None:
    paged = site.get(f"{CALLS}&limit=500").json()["calls"]
    exported = site.get(f"{CALLS}&format=json")
    assert exported.json() == paged
    assert exported.headers["content-disposition"] == 'attachment; filename="farebox-calls-2026-11-20.json"'
    lines = table(site.get(f"{CALLS}&format=csv"))
    assert [line["event_id"] for line in lines] == [row["event_id"] for row in paged]
    types, rows = parquet(site.get(f"{CALLS}&format=parquet"), tmp_path)
    assert [{**row, "seen_by": json.loads(row["seen_by"])} for row in rows] == paged
    assert types["seq"] == types["input_tokens"] == "BIGINT"
    assert types["cost_pico"] == types["cost_usd"] == "VARCHAR"
    assert types["streamed"] == "BOOLEAN"


def test_amounts_are_exact_text_and_nothing_is_an_empty_cell(site: Site) -> None:
    lines = {line["seq"]: line for line in table(site.get(f"{CALLS}&format=csv"))}
    assert lines["5"]["cost_pico"] == "4200000000"
    assert lines["5"]["cost_usd"] == "0.0042"
    assert lines["7"]["cost_pico"] == lines["7"]["cost_usd"] == ""
    assert lines["7"]["streamed"] == "false"


FORMULAS = ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "|calc", "%0"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(home: Home, web: Path, name: str) -> None:
    site = Site(home, FakeLedger([call(1, NOW - MINUTE, app=name, user="-12.5")]), Assets(web))
    (line,) = table(site.get(f"{CALLS}&format=csv"))
    assert line["app"] == f"'{name}"
    assert line["user"] == "-12.5", "a number stays one"
    assert site.get(f"{CALLS}&format=json").json()[0]["app"] == name
    (group,) = table(site.get("/api/v1/breakdown?by=app&format=csv"))
    assert group["app"] == f"'{name}"


def test_a_breakdown_has_a_column_for_each_dimension(site: Site, tmp_path: Path) -> None:
    target = "/api/v1/breakdown?since=all&by=app,model&format="
    whole = site.get("/api/v1/breakdown?since=all&by=app,model&limit=200").json()
    lines = table(site.get(f"{target}csv"))
    assert list(lines[0])[:3] == ["app", "model", "complete"]
    shown = [(line["app"] or None, line["model"], line["cost_pico"]) for line in lines]
    assert shown == [
        (group["keys"]["app"], group["keys"]["model"], group["sums"]["cost_pico"])
        for group in whole["groups"]
    ]
    types, rows = parquet(site.get(f"{target}parquet"), tmp_path)
    assert [row["cost_usd"] for row in rows] == [group["sums"]["cost_usd"] for group in whole["groups"]]
    assert list(types)[:2] == ["app", "model"]


def test_a_file_has_the_rows_of_many_pages_or_as_many_as_are_asked_for(
    home: Home, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [call(seq, NOW - MINUTE) for seq in range(1, 1500)]
    site = Site(home, FakeLedger(rows), Assets(web))
    monkeypatch.setattr("farebox.server.api.lists.exports._PIECE_ROWS", 100)
    small = Rows("calls", size=10, size_max=500, export_size=400)
    monkeypatch.setattr("farebox.server.api.lists.listing.export_size", lambda _: small.export_size)
    assert [int(line["seq"]) for line in table(site.get(f"{CALLS}&format=csv"))] == [*range(1499, 0, -1)]
    assert len(site.get(f"{CALLS}&format=json").json()) == 1499
    assert len(table(site.get(f"{CALLS}&format=csv&limit=7"))) == 7


def test_a_file_has_no_cursor(site: Site) -> None:
    cursor = site.get(f"{CALLS}&limit=2").json()["next_cursor"]
    answer = site.get(f"{CALLS}&format=csv&cursor={cursor}")
    assert (answer.status, answer.json()["details"]["parameter"]) == (422, "cursor")


@pytest.mark.parametrize("path", LISTS)
def test_every_list_pages_and_exports(site: Site, path: str) -> None:
    target = path + NEEDED.get(path, "")
    mark = "&" if "?" in target else "?"
    page = site.get(f"{target}{mark}limit=1")
    if path == "/api/v1/payees/statements":  # of nobody
        assert page.status in (200, 404)
        return
    assert page.status == 200, page.body
    assert "next_cursor" in page.json()
    lines = site.get(f"{target}{mark}format=csv")
    assert (lines.status, lines.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert b"," in lines.body.splitlines()[0]
    assert isinstance(site.get(f"{target}{mark}format=json").json(), list)


def test_a_parquet_file_without_rows_has_its_columns(home: Home, web: Path, tmp_path: Path) -> None:
    site = Site(home, FakeLedger(), Assets(web))
    types, rows = parquet(site.get(f"{CALLS}&format=parquet"), tmp_path)
    assert rows == [] and "cost_pico" in types
    assert site.get(f"{CALLS}&format=json").json() == []


def test_a_parquet_file_that_cannot_be_written_fails_the_request() -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b'{"a": 1}\n'

    async def write() -> bytes:
        return b"".join([piece async for piece in ParquetProcess({"a": "NO_SUCH_TYPE"}).stream(lines())])

    with pytest.raises(QuestionError, match="cannot be written"):
        asyncio.run(write())


def test_rows_that_cannot_be_read_end_the_file_with_an_error() -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b'{"a": 1}\n'
        raise ZeroDivisionError

    async def write() -> bytes:
        return b"".join([piece async for piece in ParquetProcess({"a": "BIGINT"}).stream(lines())])

    with pytest.raises(ZeroDivisionError):
        asyncio.run(write())


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_a_file_whose_rows_cannot_be_read_to_the_end_breaks_off_with_one_line_in_the_log(
    home: Home,
    web: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    format: str,
) -> None:
    site = Site(home, FakeLedger([call(seq, NOW - MINUTE) for seq in range(1, 1500)]), Assets(web))
    asked, read = [0], listing._page  # pyright: ignore[reportPrivateUsage]

    async def page(*given: Any) -> Any:
        asked[0] += 1
        if asked[0] > 2:
            raise QuestionError("there is a secret in row 800")
        return await read(*given)

    def size(_: Rows) -> int:
        return 400

    monkeypatch.setattr(listing, "export_size", size)
    monkeypatch.setattr(listing, "_page", page)
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        messages.append(dict(message))

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/calls",
        "query_string": f"since=all&format={format}".encode(),
        "headers": [(b"host", HOST.encode()), (b"authorization", f"Bearer {site.token}".encode())],
        "client": ("127.0.0.1", 50000),
        "state": {},
    }
    asyncio.run(site.app(scope, receive, send))
    gc.collect()
    if messages[0]["status"] == 503:  # a small Parquet file has not begun
        assert format == "parquet" and capfd.readouterr() == ("", "")
        return
    assert messages[0]["status"] == 200
    assert messages[-1]["more_body"], "a server closes the connection over a response that has no end"
    assert not b"".join(message["body"] for message in messages[1:]).endswith((b"PAR1", b"]\n"))
    assert [record.getMessage() for record in caplog.records] == [
        "the response of /api/v1/calls breaks off: question_failed"
    ]
    assert caplog.records[0].exc_info is None
    assert capfd.readouterr() == ("", "")


def test_a_name_with_a_quote_is_a_column_like_any_other(home: Home, web: Path, tmp_path: Path) -> None:
    site = Site(home, FakeLedger([call(1, NOW - MINUTE)]), Assets(web))
    name = "tag.it's"
    types, rows = parquet(site.get(f"/api/v1/breakdown?by={name}&format=parquet"), tmp_path)
    assert name in types and rows[0][name] is None
    assert rows[0]["calls"] == 1


TABLES = {
    "pivot?rows=model&columns=status&measure=cost_pico": "cost_pico",
    "pivot?rows=model,status&measure=calls": "calls",
    "pivot?rows=app&columns=model&columns_limit=1&measure=total_p95_us": None,
    "series?bucket=hour": "cost_pico",
    "series?bucket=hour&by=model": "cost_pico",
    "reliability?by=status": "calls",
    "reliability/series?bucket=minute": "calls",
}


@pytest.mark.parametrize(("target", "summed"), TABLES.items())
def test_figures_without_pages_are_files_that_add_up(
    site: Site, tmp_path: Path, target: str, summed: str | None
) -> None:
    address = f"/api/v1/{target}&since=today&tz=UTC"
    rows = site.get(f"{address}&format=json").json()
    lines = table(site.get(f"{address}&format=csv"))
    _, stored = parquet(site.get(f"{address}&format=parquet"), tmp_path)
    assert rows
    assert stored == [dict(row) for row in rows]
    assert [list(line) for line in lines] == [list(row) for row in rows]
    if summed is not None:
        sums = site.get("/api/v1/summary?since=today&tz=UTC").json()["sums"]
        assert sum(int(row[summed]) for row in rows) == int(sums[summed])


def test_a_column_of_a_pivots_file_is_one_even_where_its_values_look_alike(home: Home, web: Path) -> None:
    rows = FakeLedger([call(1, NOW - MINUTE, app="none"), call(2, NOW - MINUTE)])
    site = Site(home, rows, Assets(web))
    (line,) = site.get("/api/v1/pivot?rows=model&columns=app&measure=calls&format=json").json()
    assert sorted(value for name, value in line.items() if name.startswith("calls ")) == [1, 1]
    site.ledger.close()
