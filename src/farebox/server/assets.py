"""The dashboard's built files, as they lie in the package: scripts, styles and texts compressed by gzip.

Only names listed in the build's own stamp (`web/build.json`) exist: a path is looked up in
that list and never joined to a directory, so no spelling of `..` leads anywhere.
"""

from __future__ import annotations

import gzip
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
}

_GZIP = b"\x1f\x8b"
_NEVER = re.compile(r"q=0(\.0*)?")


class BuildStamp(msgspec.Struct, kw_only=True):
    """`web/build.json`: what was built, and from what."""

    sources: str
    """SHA-256 over the dashboard's sources."""
    api: str
    """SHA-256 of the API's description that the build was made for."""
    files: dict[str, str]
    """Path below `web/` to the SHA-256 of what lies there."""


class Assets:
    """The built dashboard. `stamp` is None where the package carries none."""

    def __init__(self, folder: Traversable | None = None, below: str = "") -> None:
        """`below` is a folder of the build, as `portal/`: what is outside of it does not exist."""
        self._folder = files("farebox.server").joinpath("web") if folder is None else folder
        self._below = below
        self.stamp: BuildStamp | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read the stamp again: an upgrade may have replaced the files under a running server."""
        try:
            self.stamp = msgspec.json.decode(
                self._folder.joinpath("build.json").read_bytes(), type=BuildStamp
            )
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
            self.stamp = None

    def etag(self, name: str) -> str | None:
        """Return the tag of an existing file's content, None where there is no such file."""
        digest = None if self.stamp is None else self.stamp.files.get(self._below + name)
        return None if digest is None else f'"{digest[:32]}"'

    def read(self, name: str) -> bytes:
        """Return the content of a file that `etag` knows."""
        stored = self.stored(name)
        return gzip.decompress(stored) if is_packed(stored) else stored

    def stored(self, name: str) -> bytes:
        """Return what lies in the package of a file that `etag` knows: see `is_packed`."""
        if self.etag(name) is None:
            raise FileNotFoundError(name)
        place = self._folder
        for piece in (self._below + name).split("/"):
            place = place.joinpath(piece)
        return place.read_bytes()


def is_packed(stored: bytes) -> bool:
    """Return whether the content is compressed: no file of the dashboard is a gzip file itself."""
    return stored.startswith(_GZIP)


def takes_gzip(accepted: str) -> bool:
    """Return whether a client reads gzip, by its `Accept-Encoding`."""
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return not _NEVER.fullmatch(weight.replace(" ", ""))
    return False


def content_type(name: str) -> str:
    return CONTENT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def is_immutable(name: str) -> bool:
    """Return whether a file's name carries its content's hash."""
    return name.startswith("assets/")


def asset_response(assets: Assets, name: str, request: Request) -> Response:
    """Return the response of a file that `etag` knows."""
    etag = assets.etag(name) or ""
    fresh = "private, max-age=31536000, immutable" if is_immutable(name) else "no-cache"
    headers = {"etag": etag, "cache-control": fresh}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    headers |= {"content-type": content_type(name), "vary": "accept-encoding"}
    stored = assets.stored(name)
    if is_packed(stored) and takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(stored, headers={**headers, "content-encoding": "gzip"})
    return Response(assets.read(name), headers=headers)
