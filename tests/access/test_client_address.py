"""Whose address counts: forwarded headers are believed from named reverse proxies alone."""

from __future__ import annotations

import pytest

from farebox.access.client_address import ReverseProxies, rate_key

PROXIES = ReverseProxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


def said(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


def test_a_client_that_is_no_named_proxy_cannot_choose_its_address() -> None:
    assert PROXIES.client_of("192.0.2.9", said("198.51.100.1")) == "192.0.2.9"
    assert ReverseProxies().client_of("127.0.0.1", said("198.51.100.1")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["203.0.113.7, 198.51.100.1"], "198.51.100.1"),  # the first was sent by the client
        (["203.0.113.7, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (["203.0.113.7", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (["198.51.100.1:4711"], "198.51.100.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["10.1.2.3"], "127.0.0.1"),
        (["198.51.100.1, nonsense"], "127.0.0.1"),
        (["198.51.100.1, unknown, 10.1.2.3"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_of_what_a_named_proxy_says_the_last_stranger_counts(values: list[str], client: str) -> None:
    assert PROXIES.client_of("127.0.0.1", said(*values)) == client


def test_an_address_in_another_spelling_is_the_same_proxy() -> None:
    assert PROXIES.includes("::ffff:10.0.0.1") and PROXIES.includes("fd00::1%eth0")
    assert not PROXIES.includes("11.0.0.1") and not PROXIES.includes("")


def test_all_addresses_of_one_ipv6_network_share_one_allowance() -> None:
    assert rate_key("2001:db8:1:2:aaaa::1") == rate_key("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert rate_key("2001:db8:1:3::1") != rate_key("2001:db8:1:2::1")
    assert rate_key("::ffff:192.0.2.1") == rate_key("192.0.2.1") == "192.0.2.1"
    assert rate_key("") == "unknown"


def test_a_name_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="nginx"):
        ReverseProxies(["nginx"])
