"""The customers' portal: who gets in, what is shown, and that its figures are those of invoice and ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from portal_record import (
    APRIL,
    HOST,
    MARCH,
    MULTIPLIER,
    NOW,
    ORIGIN,
    PORTAL,
    SECRET_WORDS,
    TOKEN_PRICES,
    TOKENS,
    PortalRecord,
    bearer,
)
from served import Answer
from test_injection import INJECTIONS, TEMPLATES, TRAVERSALS

from farebox.access import tokens
from farebox.access.roles import ALLOWED, SCOPES, allowed
from farebox.access.tokens import hash_of, new_secret
from farebox.analytics.questions import Selection
from farebox.billing.documents.document import Invoice
from farebox.billing.invoices.store import final_invoices
from farebox.billing.portal_links import known_links, revoke_links
from farebox.clock import now_ns
from farebox.control.token_changes import create_token
from farebox.errors import UsageError
from farebox.home import Home
from farebox.money import usd_text
from farebox.server.access.sessions import load_token
from farebox.server.api.method_routes import route_of
from farebox.server.assets import Assets
from farebox.snapshot import read_snapshot

IS_LONG = bool(os.environ.get("FAREBOX_LONG"))
CUSTOMERS = 100 if IS_LONG else 4
FRAME = "https://app.example.com"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built portal of two files, beside a dashboard's."""
    folder = tmp_path_factory.mktemp("web")
    files = {
        "portal/index.html": "<!doctype html>page",
        "portal/assets/a-1b.js": "run()",
        "app.js": "not here",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    stamp = {"sources": "0" * 64, "api": "0" * 64, "files": dict.fromkeys(files, "f" * 64)}
    (folder / "build.json").write_bytes(msgspec.json.encode(stamp))
    return folder


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, web: Path) -> Iterator[PortalRecord]:
    """Calls of March, which are invoiced, and of April, which are not."""
    home = Home(tmp_path_factory.mktemp("portal") / "home")
    home.prepare()
    made = PortalRecord(home, Assets(web, "portal/"), CUSTOMERS)
    made.append(MARCH, 25 * CUSTOMERS)
    made.bill()
    made.append(APRIL, 10 * CUSTOMERS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def links(record: PortalRecord) -> dict[str, str]:
    return {each: record.link(each) for each in record.customers[:2]}


def every_path(record: PortalRecord, customer: str, secret: str) -> dict[str, str]:
    """Return a path of every route, with this customer's own invoice and call in it."""
    number = record.get("invoices", secret)["invoices"][0]["number"]
    call = record.get("calls?limit=1", secret)["calls"][0]["event_id"]
    filled = {"/{asset}": "/assets/a-1b.js", f"{PORTAL}invoices/{{id}}": f"{PORTAL}invoices/{number}"}
    filled[f"{PORTAL}calls/{{id}}"] = f"{PORTAL}calls/{call}"
    return {route: filled.get(route, route) for route in ALLOWED["portal"]}


def test_the_table_has_every_route_of_the_portal_and_no_other(record: PortalRecord) -> None:
    served = {
        route_of(method, name) for name, methods in record.server.group.routes.items() for method in methods
    }
    assert served | {"/", "/{asset}"} == ALLOWED["portal"].keys()
    assert all(method == "GET" for methods in record.server.group.routes.values() for method in methods)


def test_every_route_opens_to_a_link_in_force_and_to_nothing_else(
    record: PortalRecord, links: dict[str, str]
) -> None:
    customer = record.customers[0]
    good = links[customer]
    expired, revoked = record.link(customer, expires_s=0), record.link(customer)
    assert record.ask(f"{PORTAL}account", bearer(revoked)).status == 200
    newest = known_links(record.home, customer)[0].id
    assert [each.id for each in revoke_links(record.home, "uid:1", now_ns(), id=newest)] == [newest]
    others = {
        scope: create_token(record.home, f"a {scope}", scope, "uid:1", now_ns())[1]
        for scope in SCOPES
        if scope != "portal"
    }
    strangers = {
        "nothing": {},
        "forged": bearer(new_secret("portal")),
        "another last digit": bearer(good[:-1] + ("A" if good[-1] != "A" else "B")),
        "expired": bearer(expired),
        "revoked": bearer(revoked),
        "the owner": bearer(load_token(record.home)),
        "a cookie of the dashboard's name": {"cookie": "farebox_3276=1; =1; farebox_3274=1"},
        **{f"a token for {scope}": bearer(secret) for scope, secret in others.items()},
    }
    for route, path in every_path(record, customer, good).items():
        assert record.ask(path, bearer(good)).status in (200, 404), route  # there is no logo
        for name, headers in strangers.items():
            status = record.ask(path, headers).status
            assert (status in (200, 404)) is ("nobody" in allowed("portal", route)), (route, name, status)
            assert status in (200, 401, 404), (route, name, status)


def test_nothing_of_the_dashboard_is_reached_here(record: PortalRecord, links: dict[str, str]) -> None:
    for route in ALLOWED["api"]:
        if route not in ALLOWED["portal"]:
            path = route.rpartition(" ")[2].replace("{", "").replace("}", "")
            for headers in (bearer(links[record.customers[0]]), bearer(load_token(record.home))):
                assert record.ask(path, headers).status in (401, 404), route
    for path in ("/app.js", "/build.json", "/portal/index.html", "/index.html", "/../app.js", "/v1/events"):
        assert record.ask(path, bearer(links[record.customers[0]])).status == 404, path
    assert record.ask(f"{PORTAL}account", bearer(links[record.customers[0]]), "POST").status == 405


def test_a_link_shows_its_customer_and_no_other_and_no_cost(
    record: PortalRecord, links: dict[str, str]
) -> None:
    (first, second), other = record.customers[:2], record.customers[1]
    theirs = every_path(record, other, links[other])
    number = theirs[f"{PORTAL}invoices/{{id}}"].rpartition("/")[2]
    call = theirs[f"{PORTAL}calls/{{id}}"].rpartition("/")[2]
    for path in (f"invoices/{number}", f"invoices/{number}?format=html", f"usage?invoice={number}",
                 f"calls?invoice={number}"):  # fmt: skip
        answer = record.ask(PORTAL + path, bearer(links[first]))
        made_up = record.ask(PORTAL + path.replace(number, "INV-999999"), bearer(links[first]))
        assert (answer.status, answer.body) == (404, made_up.body)
    unknown = "019aa000-0000-7000-8000-000000000001"
    assert record.ask(f"{PORTAL}calls/{call}", bearer(links[first])).body == (
        record.ask(f"{PORTAL}calls/{unknown}", bearer(links[first])).body
    )
    costs = {
        text
        for each in record.served._sources.reader.newest(10_000)
        if each.attribution["customer"] == second and each.cost_pico
        for text in (str(each.cost_pico), usd_text(each.cost_pico))
    }
    assert len(costs) > 20
    for customer in (first, second):
        for path in shown_paths(record, customer, links[customer]):
            body = record.ask(path, bearer(links[customer])).body.decode()
            found = [word for word in (*SECRET_WORDS, *record.customers, *costs) if word in body]
            assert found in ([], [customer]), (path, found)
            assert "cost" not in body.lower(), path


def shown_paths(record: PortalRecord, customer: str, secret: str) -> list[str]:
    """Return every path with figures, in every form."""
    paths = every_path(record, customer, secret)
    number = paths[f"{PORTAL}invoices/{{id}}"].rpartition("/")[2]
    return [
        *(path for route, path in paths.items() if route.startswith(PORTAL)),
        f"{PORTAL}invoices/{number}?format=html",
        *(f"{PORTAL}usage?by={by}&invoice={number}" for by in ("model", "agent", "task", "session")),
        f"{PORTAL}calls?span=90d&limit=200",
        f"{PORTAL}calls?format=csv",
    ]


def test_a_link_that_is_revoked_opens_nothing_from_the_next_request_on(record: PortalRecord) -> None:
    customer = record.customers[2]
    secrets = [record.link(customer) for _ in range(2)]
    assert {record.ask(f"{PORTAL}account", bearer(each)).status for each in secrets} == {200}
    assert len(revoke_links(record.home, "uid:1", now_ns(), customer=customer)) == 2
    assert {record.ask(f"{PORTAL}account", bearer(each)).status for each in secrets} == {401}
    assert record.ask(f"{PORTAL}account", bearer(record.link(customer))).status == 200


def test_a_link_that_has_ended_opens_nothing_and_is_published_no_more(
    record: PortalRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = record.link(record.customers[3])
    assert record.ask(f"{PORTAL}account", bearer(secret)).status == 200
    monkeypatch.setattr(tokens, "now_ns", lambda: now_ns() + 3601 * 10**9)
    assert record.ask(f"{PORTAL}account", bearer(secret)).status == 401
    ended = record.link(record.customers[3], expires_s=0)
    published = read_snapshot(record.home).tokens
    assert [hash_of(each.encode()) in published for each in (secret, ended)] == [True, False]


def test_a_portal_token_has_a_customer_and_an_end(home: Home) -> None:
    for more in ({"expires_at": now_ns() + 10**12}, {"binding": {"customer": "acme"}}):
        with pytest.raises(UsageError, match="farebox portal link"):
            create_token(home, "page", "portal", "uid:1", now_ns(), **more)  # type: ignore[arg-type]


def navigation(dest: str) -> dict[str, str]:
    return {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": dest}


def test_only_pages_on_the_list_may_frame_it_and_no_foreign_page_may_ask(
    home: Home, web: Path, record: PortalRecord, links: dict[str, str]
) -> None:
    framed = PortalRecord(home, Assets(web, "portal/"), frame_ancestors=(FRAME,))
    try:
        alone, listed = record.ask("/"), framed.ask("/")
        assert "frame-ancestors 'none'" in alone.headers["content-security-policy"]
        assert alone.headers["x-frame-options"] == "DENY"
        assert listed.headers["content-security-policy"].endswith(f"frame-ancestors {FRAME}")
        assert "x-frame-options" not in listed.headers
        assert record.ask("/", navigation("document")).status == 200
        assert [each.ask("/", navigation("iframe")).status for each in (record, framed)] == [403, 200]
        assert framed.ask("/", navigation("object")).status == 403
        secret = framed.link(framed.customers[0])
        path = f"{PORTAL}account"
        assert (
            framed.ask(path, {**bearer(secret), "origin": ORIGIN, "sec-fetch-site": "same-origin"}).status
            == 200
        )
        for origin in (FRAME, "null", "http://127.0.0.1:3274"):
            assert framed.ask(path, {**bearer(secret), "origin": origin}).status == 403
        assert framed.ask(path, {**bearer(secret), "sec-fetch-site": "cross-site"}).status == 403
    finally:
        framed.close()


def test_nothing_is_kept_sniffed_or_sent_on(record: PortalRecord, links: dict[str, str]) -> None:
    customer = record.customers[0]
    for path in shown_paths(record, customer, links[customer]):
        headers = record.ask(path, bearer(links[customer])).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" or path.endswith("/logo")
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "set-cookie" not in headers
    assert record.ask("/", {"host": "evil.example.com"}).status == 421


def test_texts_are_nothing_but_texts(record: PortalRecord, links: dict[str, str]) -> None:
    secret = links[record.customers[0]]
    every = [*INJECTIONS, *TEMPLATES, *TRAVERSALS]
    for at, text in enumerate(every if IS_LONG else every[::25]):
        word = quote(text, safe="")
        for path in (f"invoices/{word}", f"calls/{word}", f"usage?invoice={word}", f"calls?session={word}",
                     f"calls?cursor={word}", f"usage?by={word}", f"invoices/x?format={word}"):  # fmt: skip
            answer: Answer = record.ask(PORTAL + path, bearer(secret))
            assert answer.status in (200, 404, 422), (text, path, answer.status, answer.body)
            assert answer.status == 200 or set(answer.json()) == {"code", "message", "details"}
        if at % 5 == 0:
            token = text.encode().decode("latin-1")
            assert record.ask(f"{PORTAL}account", bearer(token)).status in (401, 429)


def exact(document: dict[str, object]) -> Fraction:
    return sum((Fraction(line["exact"]) for line in document["lines"]), Fraction(0))  # type: ignore[union-attr]


def asked(record: PortalRecord, customer: str, since_ns: int, until_ns: int, seq: int | None) -> Fraction:
    """Return what the ledger's own question comes to by the customer's plan."""
    calls = Selection(since_ns=since_ns, until_ns=until_ns, where={"customer": [customer]}, as_of_seq=seq)
    (found,) = record.questions.totals(calls)
    if record.plans[customer] != TOKENS:
        return Fraction(found.cost_pico, 10**12) * MULTIPLIER
    return (
        found.cache_read_input_tokens * TOKEN_PRICES["cached"]
        + (found.input_tokens - found.cache_read_input_tokens) * TOKEN_PRICES["input"]
        + found.output_tokens * TOKEN_PRICES["output"]
    )


def stored(record: PortalRecord) -> dict[str, Invoice]:
    with record.control.reading() as connection:
        return {each.invoice.customer: each.invoice for each in final_invoices(connection)}


def test_the_portals_totals_are_the_invoices_lines_and_the_ledgers_answer_to_the_pico(
    record: PortalRecord,
) -> None:
    invoices = stored(record)
    assert len(invoices) == CUSTOMERS
    for customer, invoice in invoices.items():
        secret = record.link(customer)
        ledger = asked(record, customer, MARCH, APRIL, invoice.as_of_seq)
        billed = sum((Fraction(line.exact) for line in invoice.lines), Fraction(0))
        shown = record.get(f"invoices/{invoice.number}", secret)
        calls = record.all_calls(secret, f"invoice={invoice.number}")
        receipts = sum((Fraction(each["amount"]) for each in calls), Fraction(0))
        assert exact(shown) == billed == ledger == receipts > 0
        usage = record.get(f"usage?invoice={invoice.number}&by=session", secret)
        assert usage["total"]["calls"] == len(calls)
        assert sum(group["sums"]["output_tokens"] for group in usage["groups"]) == (
            usage["total"]["output_tokens"]
        ) == sum(each["output_tokens"] for each in calls)  # fmt: skip
        days = [date.fromisoformat(point["start"][:10]) for point in usage["points_of_all"]]
        assert days == [days[0] + timedelta(days=at) for at in range(len(days))]
        assert sum(point["sums"]["calls"] for point in usage["points_of_all"]) == len(calls)
        (running,) = record.get("charges", secret)["documents"]
        now = asked(record, customer, APRIL, NOW + 1, None)
        open_calls = record.all_calls(secret, "span=period")
        assert exact(running) == now == sum(Fraction(each["amount"]) for each in open_calls)


def test_a_receipt_adds_up_by_class_and_names_its_invoice(
    record: PortalRecord, links: dict[str, str]
) -> None:
    customer = record.customers[0]
    invoice = stored(record)[customer]
    brief = record.get(f"calls?invoice={invoice.number}&limit=1", links[customer])["calls"][0]
    receipt = record.get(f"calls/{brief['event_id']}", links[customer])
    classes = {each["name"]: each for each in receipt["charge"]["classes"]}
    assert classes["input"]["per_million"] == "3"
    assert classes["cache_read"]["per_million"] == "0.4"
    assert classes["output"]["per_million"] == "15"
    assert sum(Fraction(each["amount"]) for each in classes.values()) == Fraction(receipt["charge"]["amount"])
    assert (receipt["invoice"], receipt["billed_as_of_invoice"]) == (invoice.number, True)
    assert receipt["call"] == brief


def test_the_look_and_the_account_say_whose_page_it_is(record: PortalRecord, links: dict[str, str]) -> None:
    customer = record.customers[0]
    look = record.ask(f"{PORTAL}look").json()
    assert look == {"name": "Example Labs", "colour": None, "has_logo": False}
    account = record.get("account", links[customer])
    assert (account["customer"], account["currency"], account["wallet"]) == (f"{customer} Inc.", "USD", None)
    assert record.ask("/").body == b"<!doctype html>page"
    assert record.ask("/", {"host": HOST}).headers["cache-control"] == "no-store"
