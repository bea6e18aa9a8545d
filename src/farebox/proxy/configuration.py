"""Read the configuration without keeping a YAML parser in this process's memory.

The file is read and checked, prices included, in a forked child that hands over the few values
the proxy needs. It costs a few milliseconds once and saves megabytes for ever.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from farebox.config import (
    Address,
    Config,
    Durability,
    InterceptionConfig,
    KeyConfig,
    ProviderConfig,
    find_file,
    load_config,
)
from farebox.errors import FareboxError
from farebox.home import Home


class ConfigRefused(Exception):
    """The configuration cannot be used; the text says where and why."""


class _Known(msgspec.Struct):
    """What the proxy wants to know of a configuration."""

    file: str | None
    listen: Address
    dashboard: Address
    durability: Durability
    providers: dict[str, ProviderConfig]
    interception: InterceptionConfig
    keys: dict[str, KeyConfig]


class _Reply(msgspec.Struct):
    known: _Known | None = None
    problem: str | None = None


def read_config(home: Home, path: Path | None = None) -> Config:
    """Return the configuration in force, without its prices.

    Raises:
        ConfigRefused: With every problem of the file.
    """
    if find_file(home, path) is None:
        return Config()
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            with os.fdopen(write, "wb") as pipe:
                pipe.write(msgspec.msgpack.encode(_read(home, path)))
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    if not content:
        raise ConfigRefused("reading the configuration failed")
    reply = msgspec.msgpack.decode(content, type=_Reply)
    if reply.known is None:
        raise ConfigRefused(reply.problem or "the configuration cannot be read")
    known = reply.known
    return Config(
        file=known.file,
        listen=known.listen,
        dashboard=known.dashboard,
        durability=known.durability,
        providers=known.providers,
        interception=known.interception,
        keys=known.keys,
    )


def _read(home: Home, path: Path | None) -> _Reply:
    try:
        config = load_config(home, path)
    except FareboxError as error:
        return _Reply(problem=str(error))
    return _Reply(
        known=_Known(
            config.file,
            config.listen,
            config.dashboard,
            config.durability,
            config.providers,
            config.interception,
            config.keys,
        )
    )
