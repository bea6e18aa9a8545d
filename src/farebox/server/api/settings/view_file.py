"""Views of the dashboard that were given a name, in `views.json` of the home: the same in every browser.

They change no figure and no right, so they are in no database and no audit.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import msgspec

from farebox.home import check_private, replace_private
from farebox.server.api.errors import ApiError

if TYPE_CHECKING:
    from farebox.home import Home

FILE_NAME = "views.json"
VIEWS_MAX = 200

_writing = threading.Lock()
"""One server writes the file, and several requests of it at a time."""


class SavedView(msgspec.Struct, kw_only=True):
    """A screen with its span, filters, order and columns, under a name."""

    name: str
    screen: str
    """The screen's path: `/explorer`."""
    search: str
    """The parameters of the screen's address: `since=7d&customer=acme`."""
    changed_at: str


class SavedViews(msgspec.Struct, kw_only=True):
    """`/api/v1/views`: in the order of the alphabet."""

    views: list[SavedView]


_decode = msgspec.json.Decoder(list[SavedView]).decode
_encode = msgspec.json.Encoder().encode


def saved_views(home: Home) -> SavedViews:
    """Return every view.

    Raises:
        ApiError: The file is not what Farebox has written.
        StateDirectoryError: Others could have written it.
    """
    path = home.path / FILE_NAME
    try:
        check_private(path)
        return SavedViews(views=_decode(path.read_bytes()))
    except FileNotFoundError:
        return SavedViews(views=[])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        words = f"{path} is no list of views: {error}. Correct it, or remove it to begin without views."
        raise ApiError(409, "views_damaged", words) from None


def save_view(home: Home, view: SavedView) -> SavedViews:
    """Keep a view, in place of one that has its name.

    Raises:
        ApiError: There are too many, or the file cannot be understood.
        OSError: It cannot be written.
    """
    with _writing:
        others = [each for each in saved_views(home).views if each.name != view.name]
        if len(others) >= VIEWS_MAX:
            raise ApiError(409, "views_full", f"There are {VIEWS_MAX} views; remove one before the next.")
        return _written(home, [*others, view])


def remove_view(home: Home, name: str) -> SavedViews:
    """Remove a view.

    Raises:
        ApiError: There is none of this name, or the file cannot be understood.
        OSError: It cannot be written.
    """
    with _writing:
        known = saved_views(home).views
        left = [each for each in known if each.name != name]
        if len(left) == len(known):
            raise ApiError(404, "view_not_found", "There is no view of this name.")
        return _written(home, left)


def _written(home: Home, views: list[SavedView]) -> SavedViews:
    found = SavedViews(views=sorted(views, key=lambda each: (each.name.casefold(), each.name)))
    replace_private(home.path / FILE_NAME, _encode(found.views), durable=True)
    return found
