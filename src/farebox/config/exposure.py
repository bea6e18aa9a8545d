"""Whether others than this machine reach a listener, and what that needs."""

from __future__ import annotations

from msgspec.structs import replace

from farebox.config.addresses import Address, is_loopback
from farebox.config.configuration import Config, PortalConfig

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  # compared with, not listened on


def is_exposed(address: Address, config: Config) -> bool:
    """Return whether requests come from other machines: directly, or through a reverse proxy.

    A public URL without a certificate of ours leads through one, named in the configuration or not.
    """
    behind_another = config.public_url is not None and config.tls.certificate is None
    return not is_loopback(address.host) or config.trusted_proxies is not None or behind_another


def speaks_tls(address: Address) -> bool:
    """Return whether a listener on `address` speaks TLS: beyond loopback always, on loopback never."""
    return not is_loopback(address.host)


def exposure_problem(address: Address, config: Config) -> str | None:
    """Return what is missing for a listener on `address`, None where nothing is."""
    if is_loopback(address.host):
        return None
    if config.tls.certificate is None or config.tls.key is None:
        return (
            "a loopback address (127.0.0.1, ::1, localhost), or `tls:` with `certificate` and `key` beside "
            "it: others on the network could read keys and responses"
        )
    if address.host in WILDCARDS and config.public_url is None:
        return "`public_url: https://NAME` beside it: an address for every network has no name of its own"
    return None


def of_portal(config: Config, portal: PortalConfig) -> Config:
    """Return the configuration as it concerns the portal's listener, which has a public URL of its own."""
    return replace(config, public_url=portal.public_url)
