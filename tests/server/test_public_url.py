"""The dashboard under a public name: over its own TLS, and behind a reverse proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import HOST, PORT, Site, day_of_calls

from farebox.access.client_address import ReverseProxies
from farebox.access.public_names import names_of
from farebox.access.rate_limit import RequestRates
from farebox.home import Home
from farebox.server.access.guard import Visitors
from farebox.server.access.links import mint_link
from farebox.server.assets import Assets

PUBLIC = "farebox.example.com"


@pytest.fixture
def behind(home: Home, web: Path) -> Iterator[Site]:
    """A server on loopback, behind a reverse proxy at 127.0.0.1."""
    names = names_of("127.0.0.1", PORT, public_url=f"https://{PUBLIC}")
    visitors = Visitors(
        hosts=names.hosts,
        origins=names.origins,
        behind=ReverseProxies(["127.0.0.1"]),
        rates=RequestRates(0, 6),
    )
    (home.run / "server.json").write_text(
        f'{{"pid": 1, "host": "127.0.0.1", "port": {PORT}, "url": "https://{PUBLIC}"}}'
    )
    site = Site(
        home, day_of_calls(), Assets(web), visitors=visitors, secure_hosts=frozenset((names.public_host,))
    )
    yield site
    site.ledger.close()


def cookie_of(site: Site, host: str) -> str:
    link = mint_link(site.home)
    assert link.startswith(f"https://{PUBLIC}/?link=")
    answer = site.ask(
        link.removeprefix(f"https://{PUBLIC}"), {"host": host, "x-forwarded-for": host_of(host)}
    )
    assert answer.status == 303
    return answer.headers["set-cookie"]


def host_of(host: str) -> str:
    """Return an address of its own for each host that is asked under, so that no rate is reached."""
    return f"198.51.100.{len(host)}"


def test_a_session_under_the_public_name_is_for_https_only(
    behind: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.kill", lambda *_: None)
    assert "; Secure" in cookie_of(behind, PUBLIC)
    assert "; Secure" not in cookie_of(behind, HOST)  # a browser of this machine, without TLS


def test_the_public_origin_is_our_own_and_its_http_twin_is_not(behind: Site) -> None:
    bearer = {"authorization": f"Bearer {behind.token}", "host": PUBLIC}

    def status(origin: str, number: int) -> int:
        more = {"origin": origin, "x-forwarded-for": f"198.51.100.{number}"}
        return behind.ask("/api/v1/summary", {**bearer, **more}).status

    assert status(f"https://{PUBLIC}", 1) == 200
    assert status(f"http://{PUBLIC}", 2) == 403
    assert status(f"https://{PUBLIC}:8443", 3) == 403
    assert status("https://evil.example", 4) == 403


@pytest.mark.parametrize(
    "host", ["evil.example", f"{PUBLIC}.evil.example", f"{PUBLIC}:8443", f"x.{PUBLIC}", ""]
)
def test_another_name_is_not_served(behind: Site, host: str) -> None:
    bearer = {"authorization": f"Bearer {behind.token}"}
    assert behind.ask("/api/v1/summary", {**bearer, "host": host}).status in (400, 421)


def test_each_client_of_the_reverse_proxy_has_a_rate_of_its_own(behind: Site) -> None:
    bearer = {"authorization": f"Bearer {behind.token}"}

    def status(said: str) -> int:
        return behind.ask("/api/v1/summary", {**bearer, "x-forwarded-for": said}).status

    assert [status("198.51.100.1"), status("203.0.113.9, 198.51.100.1")] == [200, 429]
    assert status("198.51.100.2") == 200
