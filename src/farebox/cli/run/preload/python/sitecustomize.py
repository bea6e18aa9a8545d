"""Put on `PYTHONPATH` by `farebox run`: makes aiohttp use the proxy variables.

aiohttp ignores the proxy variables unless a session was made with `trust_env=True`, which would also
make it read `~/.netrc`. Here a request without a proxy of its own gets the one of the environment.
Runs before the program, in whatever Python it uses: it needs no package and must not fail.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import os
import sys
from types import ModuleType
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # pathlib would cost every start


def _run_the_one_this_hides() -> None:
    """Run the `sitecustomize` that this file hides."""
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


def _with_a_proxy(request: Any) -> Any:
    """Return `ClientSession._request` with the environment's proxy where none was chosen."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    @functools.wraps(request)
    async def wrapped(self: Any, method: str, url: Any, **options: Any) -> Any:
        with contextlib.suppress(Exception):
            chosen = options.get("proxy") or getattr(self, "_default_proxy", None)
            parts = urlsplit(str(url))
            if not parts.hostname:
                parts = urlsplit(str(getattr(self, "_base_url", None) or ""))
            if not chosen and parts.hostname and not proxy_bypass(parts.netloc):
                scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
                proxy = getproxies().get(scheme)
                if proxy:
                    options["proxy"] = proxy
        return await request(self, method, url, **options)

    return wrapped


class _Loader(importlib.abc.Loader):
    """The usual loader, followed by one change to the module."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual

    def create_module(self, spec: Any) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._usual.exec_module(module)
        with contextlib.suppress(Exception):
            session: Any = vars(module)["ClientSession"]
            session._request = _with_a_proxy(session._request)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "aiohttp.client":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


if os.environ.get("FAREBOX_PROXY"):
    sys.meta_path.insert(0, _Finder())
with contextlib.suppress(Exception):
    import importlib.util

    _run_the_one_this_hides()
