"""What gets in: hosts, origins, tokens, links, paths."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import time
from pathlib import Path

import msgspec
import pytest
from fake_ledger import FakeLedger
from served import HOST, PORT, Site, ask_raw

from farebox.access.roles import ALLOWED
from farebox.errors import ServerNotRunningError, StateDirectoryError
from farebox.home import Home
from farebox.readiness import LIVE, READY
from farebox.server.access import links
from farebox.server.access.guard import Kind
from farebox.server.access.sessions import SESSION_SECONDS, Sessions, load_token
from farebox.server.assets import Assets
from farebox.server.screens import SCREENS

BAD_HOSTS = [
    "127.0.0.1",
    "localhost",
    f"127.0.0.1:{PORT + 1}",
    f"evil.example:{PORT}",
    f"localhost.evil.example:{PORT}",
    f"127.0.0.1.nip.io:{PORT}",
    f"LOCALHOST:{PORT}",
    f"127.0.0.1:{PORT}.",
    f"0.0.0.0:{PORT}",
    f"[::1]:{PORT}",
    f"user@127.0.0.1:{PORT}",
    f"127.0.0.1:{PORT},evil.example",
    f" 127.0.0.1:{PORT}",
    "",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
@pytest.mark.parametrize("target", ["/", "/api/v1/status", "/assets/index-1a2b.js", "/nothing"])
def test_a_request_under_another_host_name_gets_no_data(site: Site, host: str, target: str) -> None:
    answer = site.get(target, {"host": host})
    assert answer.status in (400, 421)
    assert b"app" not in answer.body and b"version" not in answer.body


@pytest.mark.parametrize("hosts", [[], [HOST, HOST], [HOST, "evil.example"]])
def test_a_request_names_exactly_one_host(site: Site, hosts: list[str]) -> None:
    headers = [(b"host", host.encode()) for host in hosts]
    headers.append((b"authorization", f"Bearer {site.token}".encode()))
    assert asyncio.run(ask_raw(site.app, "/api/v1/status", headers)).status == 400


def test_localhost_with_the_port_is_us(site: Site) -> None:
    assert site.get("/api/v1/status", {"host": f"localhost:{PORT}"}).status == 200


FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": f"https://{HOST}"},
    {"origin": f"http://127.0.0.1:{PORT + 1}"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_sites_page_cannot_read_the_api_even_with_our_cookie(
    site: Site, headers: dict[str, str]
) -> None:
    answer = site.ask("/api/v1/summary", {"cookie": cookie_of(site), **headers})
    assert (answer.status, answer.json()["code"]) == (403, "foreign_origin")


def test_our_own_page_can(site: Site) -> None:
    own = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin", "cookie": cookie_of(site)}
    assert site.ask("/api/v1/summary", own).status == 200


def test_following_a_link_to_the_page_is_no_attack_but_framing_it_is_refused(site: Site) -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert site.ask("/", followed).status == 401  # a cross-site visit carries no cookie: the way in
    framed = {**followed, "sec-fetch-dest": "iframe"}
    assert site.ask("/", framed).status == 403


def test_no_answer_ever_lets_other_origins_read_it(site: Site) -> None:
    for target in ("/", "/api/v1/status", "/assets/index-1a2b.js", "/nothing"):
        for headers in ({}, {"origin": "http://evil.example"}):
            names = site.get(target, headers).headers
            assert not [name for name in names if name.startswith("access-control")]


def test_every_answer_carries_the_security_headers(site: Site) -> None:
    answers = [site.get("/"), site.ask("/"), site.get("/api/v1/status"), site.ask("/api/v1/status")]
    answers += [site.get("/assets/index-1a2b.js"), site.get("/nothing"), site.get("/", {"host": "evil"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"


def routes(site: Site) -> list[tuple[str, str]]:
    """Return the method and address of everything that is served."""
    grouped = [
        (method, written(path))
        for group in site.server.groups
        for path, methods in group.routes.items()
        for method in methods
    ]
    return [*(("GET", written(path)) for path in site.server.routes), *grouped]


def written(route: str) -> str:
    """Return an address of a route."""
    call = "019aa000-0000-7000-8000-000000000005"
    route = route.replace("{id}", call).replace("{asset}", "assets/index-1a2b.js").replace("{name}", "daily")
    return route.replace("{screen}", "explorer")


def test_every_route_but_the_way_in_refuses_nobody(site: Site) -> None:
    checked = 0
    for method, path in [*routes(site), ("GET", "/favicon.svg")]:
        found = site.server.route_of(path)
        assert found is not None
        if path in ("/", "/explorer", LIVE, READY):
            assert found[0] is (Kind.API if path in (LIVE, READY) else Kind.PAGE)
            assert all("nobody" in may for may in found[1].values())
            continue
        assert all("nobody" not in may for may in found[1].values()), path
        answer = site.ask(path, method=method)
        assert (answer.status, answer.json()["code"]) == (401, "unauthenticated"), path
        checked += 1
    assert checked == len(ALLOWED["api"]) - 3


BAD_CREDENTIALS = [
    {"authorization": "Bearer wrong"},
    {"authorization": "Bearer "},
    {"authorization": "Basic dXNlcjpwYXNz"},
    {"authorization": "Bearer ' OR 1=1 --"},
    {"authorization": "Bearer \xff\xfe"},
    {"cookie": f"farebox_{PORT}=x"},
    {"cookie": f"farebox_{PORT}=99999999999.abc.{'0' * 64}"},
    {"cookie": "=;;=;\x7f"},
]


@pytest.mark.parametrize("headers", BAD_CREDENTIALS)
def test_a_wrong_token_or_a_forged_cookie_is_nobody(site: Site, headers: dict[str, str]) -> None:
    assert site.ask("/api/v1/status", headers).status == 401


def test_a_program_with_a_wrong_token_is_not_sent_for_a_link(site: Site) -> None:
    told = site.ask("/api/v1/status", {"authorization": "Bearer wrong"}).json()
    assert (told["code"], "token" in told["message"]) == ("unauthenticated", True)
    assert "link" not in told["message"]
    assert "link" in site.ask("/api/v1/status").json()["message"]


@pytest.mark.parametrize("others", ['prefs={"a":1}; x[y]=1; {}', "a@b=1;{};=;", "\xff=,; {}", 'q="open; {}'])
def test_other_local_apps_cookies_do_not_hide_ours(site: Site, others: str) -> None:
    cookie = others.replace("{}", cookie_of(site))
    assert site.ask("/api/v1/status", {"cookie": cookie}).status == 200


def test_a_cookie_of_our_name_that_another_app_set_does_not_hide_ours(site: Site) -> None:
    cookie = f"farebox_{PORT}=theirs; {cookie_of(site)}"
    assert site.ask("/api/v1/status", {"cookie": cookie}).status == 200


def test_a_session_ends_and_cannot_be_prolonged_or_moved_to_another_installation() -> None:
    ours, theirs = Sessions("a" * 43), Sessions("b" * 43)
    cookie = ours.issue(1000)
    assert ours.cookie_is_valid(cookie, 1000 + SESSION_SECONDS - 1)
    assert not ours.cookie_is_valid(cookie, 1000 + SESSION_SECONDS)
    assert not ours.cookie_is_valid("9" + cookie, 1000)
    assert not theirs.cookie_is_valid(cookie, 1000)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_no_method_is_allowed_that_a_route_does_not_have(site: Site, method: str) -> None:
    there = routes(site)
    others = sorted({path for _, path in there if (method, path) not in there})
    assert "/api/v1/summary" in others
    for path in others:
        assert site.get(path, method=method).status == 405, path
        is_open = path in ("/", "/explorer", LIVE, READY)
        assert site.ask(path, method=method).status == (405 if is_open else 401), path


TRAVERSALS = [
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e/secret.txt",
    "//secret.txt",
    "/assets//index-1a2b.js",
    "/assets/..\\..\\secret.txt",
    "/./index.html",
    "/assets/",
    "/assets",
    "/index.html",
    "/build.json",
    "/etc/passwd",
    "/assets/index-1a2b.js\0.html",
    "/api/v1/calls/../status",
    "/api/v1/",
    "/api/v1/calls/{id}/x",
    "/API/V1/STATUS",
    "/api/v1/calls/{id}",
]


@pytest.mark.parametrize("target", TRAVERSALS)
def test_only_paths_in_the_table_exist(site: Site, target: str) -> None:
    answer = site.get(target)
    assert answer.status == 404
    assert b"not for browsers" not in answer.body
    assert set(answer.json()) == {"code", "message", "details"}


def test_an_unknown_path_tells_nobody_whether_it_exists(site: Site) -> None:
    assert site.ask("/nothing").body == site.ask("/api/v1/status").body


def test_a_web_socket_is_closed_unanswered(site: Site) -> None:
    sent: list[object] = []

    async def connect() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "websocket.connect"}

        async def send(message: object) -> None:
            sent.append(message)

        await site.app({"type": "websocket", "path": "/api/v1/live", "headers": []}, receive, send)

    asyncio.run(connect())
    assert sent == [{"type": "websocket.close", "code": 1008}]


# Links


def cookie_of(site: Site) -> str:
    return f"farebox_{PORT}={Sessions(site.token).issue(int(time.time()))}"


def announce(home: Home) -> None:
    running = {"pid": os.getpid(), "host": "127.0.0.1", "port": PORT}
    (home.run / "server.json").write_bytes(msgspec.json.encode(running))


def link_target(home: Home) -> str:
    announce(home)
    url = links.mint_link(home)
    assert url.startswith(f"http://{HOST}/?link=")
    return url.removeprefix(f"http://{HOST}")


def test_a_link_signs_a_browser_in_and_leaves_a_clean_address(site: Site) -> None:
    answer = site.ask(link_target(site.home), {"sec-fetch-site": "none"})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    session = cookie.partition(";")[0]
    page = site.ask("/", {"cookie": session})
    assert (page.status, page.body) == (200, b"<!doctype html>app")
    assert site.ask("/api/v1/status", {"cookie": session}).status == 200


@pytest.mark.parametrize("path", sorted(SCREENS))
def test_the_path_of_a_screen_is_the_page_under_the_same_rules(site: Site, path: str) -> None:
    stranger = site.ask(path)
    assert stranger.status == 401 and b"farebox open" in stranger.body
    page = site.get(f"{path}?since=7d")
    assert (page.status, page.body, page.headers["cache-control"]) == (200, b"<!doctype html>app", "no-store")
    assert site.get(path, {"host": "evil.example"}).status == 421
    assert site.get(path, {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}).status == 403
    assert site.get(path, method="POST").status == 405
    assert site.get(f"{path}/").status == 404
    signed_in = site.ask(link_target(site.home).replace("/?", f"{path}?"), {"sec-fetch-site": "none"})
    assert (signed_in.status, signed_in.headers["location"]) == (303, path)


def test_the_server_knows_the_screens_of_the_dashboard() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    listed = (root / "dashboard" / "src" / "app" / "screens.ts").read_text(encoding="utf-8")
    assert set(re.findall(r'screen\("\w+", "(/\w*)"', listed)) == SCREENS | {"/"}


def test_a_link_works_once(site: Site) -> None:
    target = link_target(site.home)
    assert site.ask(target).status == 303
    second = site.ask(target)
    assert second.status == 401 and "set-cookie" not in second.headers
    assert b"farebox open" in second.body


def test_looking_ahead_does_not_use_a_link_up(site: Site) -> None:
    target = link_target(site.home)
    assert site.ask(target, {"sec-purpose": "prefetch"}).status == 401
    assert site.ask(target, method="HEAD").status == 401
    assert site.ask(target).status == 303


def test_a_link_is_good_for_ten_minutes(home: Home) -> None:
    announce(home)
    code = links.mint_link(home).partition("link=")[2]
    assert not links.redeem(home, code, time.time() + links.LINK_SECONDS + 1)
    assert not links.redeem(home, code, time.time()), "an old link is used up by the attempt"


@pytest.mark.parametrize("code", ["", "x", "../dashboard.token", "..", "%00", "a" * 5000])
def test_a_made_up_link_is_refused_and_touches_no_file(site: Site, code: str) -> None:
    before = sorted(path.name for path in site.home.run.iterdir())
    assert site.ask(f"/?link={code}").status == 401
    assert sorted(path.name for path in site.home.run.iterdir()) == before


def test_a_code_lies_on_disk_only_as_a_hash_that_nobody_else_can_read(home: Home) -> None:
    announce(home)
    code = links.mint_link(home).partition("link=")[2]
    for path in home.run.iterdir():
        assert code not in path.name and code not in path.read_text()
        if path.name != "server.json":
            assert path.stat().st_mode & 0o777 == 0o600
    assert len(code) * 6 >= 128


def test_no_link_is_made_where_no_server_runs(home: Home) -> None:
    with pytest.raises(ServerNotRunningError):
        links.mint_link(home)
    (home.run / "server.json").write_text('{"pid": 4194305, "host": "127.0.0.1", "port": 1}')
    with pytest.raises(ServerNotRunningError):
        links.mint_link(home)


def test_a_token_that_others_can_read_is_refused(home: Home) -> None:
    load_token(home)
    (home.run / "dashboard.token").chmod(0o644)
    with pytest.raises(StateDirectoryError):
        load_token(home)


def test_the_token_stays_and_is_long(home: Home) -> None:
    assert load_token(home) == load_token(home)
    assert len(load_token(home)) * 6 >= 128


# Pages


def test_a_browser_without_a_session_is_told_what_to_type(site: Site) -> None:
    page = site.ask("/")
    assert page.status == 401 and "text/html" in page.headers["content-type"]
    assert b"farebox open" in page.body
    style = re.search(rb"<style>(.*?)</style>", page.body, re.DOTALL)
    assert style is not None and b"<script" not in page.body


def test_a_copy_without_the_dashboards_files_says_what_to_type(home: Home, tmp_path: Path) -> None:
    site = Site(home, FakeLedger(), Assets(tmp_path / "no-web"))
    page = site.get("/")
    assert page.status == 503 and b"make build" in page.body
    assert site.get("/api/v1/status").status == 200


def test_an_asset_is_cached_for_ever_by_its_hashed_name_and_the_page_never(site: Site) -> None:
    script = site.get("/assets/index-1a2b.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    again = site.get("/assets/index-1a2b.js", {"if-none-match": script.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert site.get("/").headers["cache-control"] == "no-store"
    assert site.get("/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("gzip; q=0", False),
        ("br", False),
        ("", False),
    ],
)
def test_packed_assets_are_sent_as_they_lie_to_whom_reads_them(
    home: Home, web: Path, accepted: str, packed: bool
) -> None:
    (web / "assets" / "index-1a2b.js").write_bytes(gzip.compress(b"run()"))
    site = Site(home, FakeLedger(), Assets(web))
    script = site.get("/assets/index-1a2b.js", {"accept-encoding": accepted})
    assert (script.headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(script.body) if packed else script.body) == b"run()"
    assert script.headers["vary"] == "accept-encoding"
    plain = site.get("/favicon.svg", {"accept-encoding": accepted})
    assert "content-encoding" not in plain.headers


def test_a_program_without_a_token_is_told_of_tokens_and_a_browser_of_a_link(site: Site) -> None:
    told = site.ask("/api/v1/status").json()["message"]
    assert "farebox tokens create" in told and "session" not in told
    for headers in ({"cookie": "other=1"}, {"sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}):
        told = site.ask("/api/v1/status", headers).json()["message"]
        assert told.startswith("Your session has ended.")
