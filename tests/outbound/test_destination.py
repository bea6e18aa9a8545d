"""Where a request of our own may go: decided on the address, and on what the owner wrote."""

from __future__ import annotations

import pytest

from farebox.outbound.destination import destination

NOTHING: frozenset[int] = frozenset()

INSIDE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",  # noqa: S104
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.7",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "64:ff9b::a00:7",
    "64:ff9b::7f00:1",
    "64:ff9b:1::808:808",
    "2002:a00:7::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_never_leads_inside(address: str) -> None:
    assert destination("https://hooks.example.com/x").refusal(address, NOTHING) is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_name_leads_to_public_addresses(address: str) -> None:
    """The control: not everything is refused."""
    assert destination("https://hooks.example.com/x").refusal(address, NOTHING) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/x", "https://10.0.0.7/", "http://[::1]:9000/"])
def test_an_address_that_the_owner_wrote_is_allowed(url: str) -> None:
    to = destination(url)
    assert to.address is not None
    assert to.refusal(to.address, NOTHING) is None


def test_a_name_may_be_given_the_private_address_it_has() -> None:
    to = destination("https://hooks.internal.example/x", "10.0.0.7")
    assert (to.host, to.address) == ("hooks.internal.example", "10.0.0.7")
    assert to.refusal("10.0.0.7", NOTHING) is None
    assert destination("http://hooks.internal.example/x", "10.0.0.7").secure is False


def test_multicast_and_our_own_ports_are_refused_whoever_wrote_them() -> None:
    assert destination("https://224.0.0.1/").refusal("224.0.0.1", NOTHING) == "multicast address"
    own = destination("http://127.0.0.1:3273/").refusal("127.0.0.1", frozenset((3273,)))
    assert own == "Farebox's own address"
    assert destination("http://localhost:3273/").refusal("127.0.0.1", frozenset((3273,))) == own


def test_localhost_is_this_machine_whatever_its_name_resolves_to() -> None:
    to = destination("http://localhost:9000/x")
    assert to.refusal("127.0.0.1", NOTHING) is None
    assert to.refusal("::1", NOTHING) is None
    for address in ("10.0.0.7", "8.8.8.8", "169.254.169.254"):
        assert to.refusal(address, NOTHING) is not None


REFUSED = {
    "http://hooks.example.com/": "https",
    "http://8.8.8.8/": "https",
    "http://169.254.169.254/latest/meta-data/": "https",
    "http://[fe80::1]/": "https",
    "http://localhost.:80/": "https",
    "ftp://hooks.example.com/": "https://",
    "//hooks.example.com/": "https://",
    "https:///x": "names a host",
    "https://user@hooks.example.com/": "without a user",
    "https://user:secret@hooks.example.com/": "without a user",
    "https://hooks.example.com/#x": "without #",
    "https://hooks.example.com/#": "without #",
    "https://hooks.example.com:0/": "port",
    "https://hooks.example.com:99999/": "ort",
    "https://hooks.example.com/a b": "ASCII",
    "https://hooks.example.com/\r\nx: y": "ASCII",
    "https://hooks.example.com\\@10.0.0.7/": "ASCII",
    "https://höoks.example.com/": "ASCII",
    "https://hooks_$.example.com/": "host name",
    "https://[fe80::1%25eth0]/": "host name",
    "https://hooks.example.com/" + "x" * 3000: "2,048",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_destination_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[url]):
        destination(url)


SPELLINGS = ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.1."]


@pytest.mark.parametrize("host", SPELLINGS)
def test_another_spelling_of_an_address_is_a_name_and_leads_nowhere_inside(host: str) -> None:
    to = destination(f"https://{host}/")
    assert to.address is None
    assert to.refusal("127.0.0.1", NOTHING) is not None
    with pytest.raises(ValueError, match="https"):
        destination(f"http://{host}/")
