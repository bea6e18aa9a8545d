"""The names a listener is reached by."""

from __future__ import annotations

from farebox.access.public_names import names_of


def test_on_loopback_the_names_carry_the_port() -> None:
    names = names_of("127.0.0.1", 3274)
    assert names.hosts == {b"127.0.0.1:3274", b"localhost:3274"}
    assert names.origins == {b"http://127.0.0.1:3274", b"http://localhost:3274"}
    assert names.public_host == ""


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert b"[::1]:3274" in names_of("::1", 3274).hosts


def test_the_default_port_may_be_left_out() -> None:
    assert {b"localhost", b"localhost:80"} <= names_of("127.0.0.1", 80).hosts
    assert b"https://localhost" in names_of("127.0.0.1", 443, secure=True).origins


def test_a_listener_with_tls_has_no_http_origin() -> None:
    names = names_of("::", 3274, secure=True, public_url="https://farebox.example.com:3274")
    assert names.hosts == {
        *(b"127.0.0.1:3274", b"localhost:3274", b"[::1]:3274"),
        b"farebox.example.com:3274",
    }
    assert all(origin.startswith(b"https://") for origin in names.origins)
    assert b"https://farebox.example.com:3274" in names.origins
    assert names.public_host == "farebox.example.com:3274"


def test_behind_a_reverse_proxy_the_public_name_has_the_public_port() -> None:
    names = names_of("127.0.0.1", 3274, public_url="https://Farebox.example.com")
    assert {b"farebox.example.com", b"farebox.example.com:3274"} <= names.hosts
    assert b"https://farebox.example.com" in names.origins
    assert b"http://farebox.example.com" not in names.origins
    assert names.public_host == "farebox.example.com"
