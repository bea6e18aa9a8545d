"""`portal:` says where customers find their pages; what could let somebody else in is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config.addresses import Address
from farebox.config.configuration import PortalConfig
from farebox.config.layers import read_layers
from farebox.config.portal_section import PORTAL_EXAMPLE
from farebox.home import Home


def read(folder: Path, text: str) -> tuple[PortalConfig | None, list[str]]:
    home = Home(folder)
    home.config.write_text(text)
    layers = read_layers(home, prices=False)
    return layers.config.portal, [str(finding) for finding in layers.findings]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    (made / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return made


def test_the_example_is_understood(folder: Path) -> None:
    portal, findings = read(folder, PORTAL_EXAMPLE)
    assert findings == []
    assert portal == PortalConfig(
        listen=Address("127.0.0.1", 3276),
        public_url="https://usage.example.com",
        name="Example Labs",
        logo=str(folder / "logo.png"),
        colour="#0a7558",
        frame_ancestors=("https://app.example.com",),
    )


def test_there_is_no_portal_until_somebody_says_so(folder: Path) -> None:
    assert read(folder, "durability: power\n") == (None, [])
    assert read(folder, "portal: {}\n") == (PortalConfig(), [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("portal: yes", "a mapping with listen"),
        ("portal: {listn: 127.0.0.1:1}", 'did you mean "listen"'),
        ("portal: {listen: here}", "host:port"),
        ("portal: {listen: 0.0.0.0:3276}", "loopback"),
        ("portal: {listen: 127.0.0.1:3274}", "an address of its own"),
        ("portal: {public_url: http://x.example.com}", "https://"),
        ('portal: {name: ""}', "a name of 1 to 80"),
        ("portal: {colour: red}", "a colour as in"),
        ('portal: {colour: "#0a7558;x:y"}', "a colour as in"),
        ("portal: {logo: missing.png}", "a file that is there"),
        ("portal: {frame_ancestors: https://a.example.com}", "a list of origins"),
        *(
            (f'portal: {{frame_ancestors: ["{origin}"]}}', "an origin, https://")
            for origin in (
                "*", "https:", "https://*.example.com", "https://a.example.com/path", "http://a.example.com",
                "https://a.example.com; script-src *", "https://a.example.com https://b", "'self'",
                "data:text/html,x", "https://u:p@a.example.com", "https://a.example.com?", "",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(folder: Path, text: str, expected: str) -> None:
    _, findings = read(folder, text + "\n")
    assert len(findings) == 1 and "farebox.yaml:1" in findings[0] and expected in findings[0], findings


def test_a_working_directory_cannot_open_one(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "farebox.yaml").write_text("portal: {listen: 127.0.0.1:3276}\n")
    portal, findings = read(folder, "durability: power\n")
    assert portal is None and len(findings) == 1
