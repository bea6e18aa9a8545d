"""The configuration: what can be set, where it is read from, and what is in force.

    config = load_config(home)

Settings and sections are declared once, in `settings` and `sections`; `layers` reads them.
"""

from __future__ import annotations

from farebox.config.addresses import Address, is_loopback, parse_address, upstream_problem
from farebox.config.configuration import (
    Config,
    Durability,
    InterceptionConfig,
    KeyConfig,
    LimitsConfig,
    PricesConfig,
    ProviderConfig,
    TlsConfig,
)
from farebox.config.exposure import exposure_problem, is_exposed
from farebox.config.layers import (
    FILE_NAME,
    find_file,
    flags_from,
    is_default,
    key_labels,
    load_config,
    read_layers,
)

__all__ = [
    "FILE_NAME",
    "Address",
    "Config",
    "Durability",
    "InterceptionConfig",
    "KeyConfig",
    "LimitsConfig",
    "PricesConfig",
    "ProviderConfig",
    "TlsConfig",
    "exposure_problem",
    "find_file",
    "flags_from",
    "is_default",
    "is_exposed",
    "is_loopback",
    "key_labels",
    "load_config",
    "parse_address",
    "read_layers",
    "upstream_problem",
]
