"""Every setting that is a single value, declared once.

From this table are made: how the value is read from a file, its environment variable, its flag, what
`farebox config show` prints, and its lines in `docs/reference/configuration.md`. A new setting is one
more `Setting` here and one more field of `Config` (or of a struct in it).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from farebox.config.addresses import Address, is_loopback, parse_address
from farebox.config.configuration import Config
from farebox.nearest import did_you_mean

Parse = Callable[[str, Path], Any]
"""Make a value of text; relative paths start at the folder. Raises ValueError with what was expected."""

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_EVERY_MIN_S, _EVERY_MAX_S = 60, 90 * 86400
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-zA-Z0-9_-]{1,63}(?:\.[a-zA-Z0-9_-]{1,63})*")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One value: where it stands in a file, how it is written, and when a change takes effect."""

    key: str
    """As in the file, levels joined by dots: `prices.every`."""
    form: str
    """How it is written, for people: `host:port`."""
    help: str
    parse: Parse
    field: str = ""
    """The attribute of `Config`, where it is not called as the key."""
    at_once: bool = False
    """Whether running processes follow a change of the file; others need `farebox restart` or a new `up`."""
    loosened: Callable[[Any, Any], str | None] | None = None
    """For a setting that a working directory's file may have: given its value and the one in force without
    it, what would be accepted instead. None: the setting belongs in the home's file."""

    @property
    def environment(self) -> str:
        """The environment variable: `FAREBOX_PRICES_EVERY`."""
        return "FAREBOX_" + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """The flag of `farebox up`: `--prices-every`."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    def of(self, config: Config) -> Any:
        """Return the value that a configuration has."""
        found: Any = config
        for name in self._path:
            found = getattr(found, name)
        return found

    def put(self, config: Config, value: Any) -> None:
        """Set the value in a configuration."""
        *outer, name = self._path
        if outer:
            inner = msgspec.structs.replace(getattr(config, outer[0]), **{name: value})
            setattr(config, outer[0], inner)
        else:
            setattr(config, name, value)

    def written(self, config: Config) -> str | None:
        """Return the value as it would be written, None for one that is not set."""
        value = self.of(config)
        if value is None:
            return None
        return duration_text(value) if self._path[-1].endswith("_s") else str(value)

    @property
    def _path(self) -> list[str]:
        return (self.field or self.key).split(".")


def address(text: str, _folder: Path) -> Address:
    """Read an address to listen on."""
    found = parse_address(text)
    if found is None:
        raise ValueError("host:port, as in `127.0.0.1:3273` (port 0: any free one)")
    return found


def one_of(*words: str, meaning: str = "") -> Parse:
    """Read one of some words."""

    def parse(text: str, _folder: Path) -> str:
        if text not in words:
            raise ValueError((meaning or " or ".join(words)) + did_you_mean(text, list(words)))
        return text

    return parse


def duration(low_s: int, high_s: int) -> Parse:
    """Read a duration such as `24h`, between limits, as seconds."""

    def parse(text: str, _folder: Path) -> int:
        found = _DURATION.fullmatch(text)
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not low_s <= seconds <= high_s:
            raise ValueError(
                f"a duration of {duration_text(low_s)} to {duration_text(high_s)}, as 90s, 30m, 24h or 7d"
            )
        return seconds

    return parse


def duration_text(seconds: int) -> str:
    """Return seconds as the shortest duration: `24h`."""
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0 and (unit != "d" or seconds > _SECONDS["d"]):
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def path(text: str, folder: Path) -> str:
    """Read the path of a file."""
    return str((folder / Path(text).expanduser()).absolute())


def whole_number(low: int, high: int) -> Parse:
    """Read a number of digits alone."""

    def parse(text: str, _folder: Path) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 16 and low <= int(text) <= high):
            raise ValueError(f"a whole number, {low} to {high}")
        return int(text)

    return parse


def public_url(text: str, _folder: Path) -> str:
    """Read where others find this Farebox."""
    from urllib.parse import urlsplit

    expected = "https:// and a name, with a port where it is not 443, as in `https://farebox.example.com`"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    plain = _HOST_NAME.fullmatch(parts.hostname or "") or _is_address(parts.hostname or "")
    more = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    if parts.scheme != "https" or not plain or more or port == 0:
        raise ValueError(expected)
    return f"https://{parts.netloc.lower()}"


def networks(text: str, _folder: Path) -> str:
    """Read addresses and networks, separated by commas."""
    import ipaddress

    try:
        found = [ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",")]
    except ValueError:
        raise ValueError("addresses and networks, as in `127.0.0.1, 10.0.0.0/8`") from None
    return ", ".join(str(each.network_address if each.num_addresses == 1 else each) for each in found)


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def url_or_file(text: str, folder: Path) -> str:
    """Read a URL to fetch from, https or http on this machine, or the path of a file."""
    if "://" not in text:
        return str((folder / Path(text).expanduser()).absolute())
    problem = fetch_problem(text)
    if problem is not None:
        raise ValueError(f"a file, or a URL as in `https://prices.example.com/list.json`: {problem}")
    return text


def fetch_problem(url: str) -> str | None:
    """Return why nothing is fetched from `url`, None where it may be."""
    from urllib.parse import urlsplit

    if any(character <= " " or character == "\x7f" for character in url):
        return "without spaces or control characters"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return str(error)
    is_own = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or (parts.scheme != "https" and not is_own):
        return "https://… (http only from 127.0.0.1)"
    if parts.username is not None or parts.password is not None:
        return "without a user or password, which would be shown"
    return None


def _digest(text: str, folder: Path) -> str:
    return text.lower() if _SHA256.fullmatch(text) else url_or_file(text, folder)


def _beyond_loopback(value: Address, _before: Address) -> str | None:
    return None if is_loopback(value.host) else "a loopback address in a working directory's file"


def _weaker(value: str, before: str) -> str | None:
    weakens = before == "power" and value != "power"
    return "power: a working directory's file cannot weaken what is in force without it" if weakens else None


_DECLARED = (
    Setting(
        key="listen",
        form="host:port",
        help="Where the proxy listens; port 0 takes any free one. Beyond loopback it needs `tls` and tokens.",
        parse=address,
        loosened=_beyond_loopback,
    ),
    Setting(
        key="dashboard",
        form="host:port",
        help="Where the dashboard and its API listen. Beyond loopback they need `tls`.",
        parse=address,
        loosened=_beyond_loopback,
    ),
    Setting(
        key="tls.certificate",
        form="file",
        help="What listeners beyond loopback speak TLS with: the certificate and its chain (PEM). "
        "A renewed one is used without a restart.",
        parse=path,
        at_once=True,
    ),
    Setting(
        key="tls.key",
        form="file",
        help="The certificate's private key (PEM), readable by nobody else.",
        parse=path,
        at_once=True,
    ),
    Setting(
        key="public_url",
        form="https://name[:port]",
        help="Where others find this Farebox: the name they call it by, and the origin of the dashboard.",
        parse=public_url,
    ),
    Setting(
        key="trusted_proxies",
        form="addresses and networks",
        help="Reverse proxies in front of it, which say their client's address in `X-Forwarded-For`. "
        "With them, each request to the proxy needs a client token.",
        parse=networks,
    ),
    Setting(
        key="limits.token_requests_per_minute",
        form="number",
        help="Requests a minute with one token. Beyond loopback 6000 where nothing is said; 0: no limit.",
        parse=whole_number(0, 1_000_000),
    ),
    Setting(
        key="limits.address_requests_per_minute",
        form="number",
        help="Requests a minute from one address, likewise.",
        parse=whole_number(0, 1_000_000),
    ),
    Setting(
        key="limits.body_bytes_max",
        form="number",
        help="Bytes of one request's body. Beyond loopback 512 MiB where nothing is said; 0: no limit.",
        parse=whole_number(0, 1 << 40),
    ),
    Setting(
        key="durability",
        form="process | power",
        help="What a recorded call survives: a crash of every process, or a power cut.",
        parse=one_of(
            "process", "power", meaning="process (survives a crash) or power (survives a power cut)"
        ),
        loosened=_weaker,
    ),
    Setting(
        key="prices.update",
        form="off | review | auto",
        help="Whether the server fetches newer price lists, and takes them over by itself where they pass "
        "its checks (`auto`) or only once you accept them (`review`).",
        parse=one_of("off", "review", "auto"),
        at_once=True,
    ),
    Setting(
        key="prices.every",
        form="duration",
        help="How often the server looks for a newer list.",
        parse=duration(_EVERY_MIN_S, _EVERY_MAX_S),
        field="prices.every_s",
        at_once=True,
    ),
    Setting(
        key="prices.from",
        form="URL or file",
        help="Where the list comes from.",
        parse=url_or_file,
        field="prices.source",
        at_once=True,
    ),
    Setting(
        key="prices.sha256",
        form="64 hex digits, or the URL or file of them",
        help="The digest the list must have.",
        parse=_digest,
        at_once=True,
    ),
)

SETTINGS = {setting.key: setting for setting in _DECLARED}


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that the environment names, by key; an empty variable names none."""
    return {key: text for key, setting in SETTINGS.items() if (text := environ.get(setting.environment))}
