"""Read the configuration without keeping a YAML parser in this process's memory.

The file is read and checked, prices included, in a forked child that hands over the few values
the proxy needs. It costs a few milliseconds once and saves megabytes for ever.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from farebox.config import Config, is_default, load_config
from farebox.errors import FareboxError
from farebox.home import Home


class ConfigRefused(Exception):
    """The configuration cannot be used; the text says where and why."""


class _Reply(msgspec.Struct):
    """What the child found. Prices, contracts and whom to tell are left out: the proxy rates and tells
    nothing, and where a secret is is not encoded."""

    config: Config | None = None
    problem: str | None = None


def read_config(home: Home, path: Path | None = None, flags: Mapping[str, str] | None = None) -> Config:
    """Return the configuration in force, without its prices; `flags` are settings by their keys.

    Raises:
        ConfigRefused: With every problem of the file.
    """
    if is_default(home, path) and not flags:
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
                pipe.write(msgspec.msgpack.encode(_read(home, path, flags)))
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
    if reply.config is None:
        raise ConfigRefused(reply.problem or "the configuration cannot be read")
    return reply.config


def _read(home: Home, path: Path | None, flags: Mapping[str, str] | None) -> _Reply:
    try:
        config = load_config(home, path, flags=flags)
    except FareboxError as error:
        return _Reply(problem=str(error))
    return _Reply(
        config=msgspec.structs.replace(
            config,
            pricing=None,
            contracts=None,
            directory_pricing=None,
            webhooks=(),
            channels=(),
            alerts=(),
            otlp=None,
            billing_terms=None,
        )
    )
