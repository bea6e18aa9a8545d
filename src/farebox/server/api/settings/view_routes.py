"""The routes of saved views: what a screen shows, kept under a name for every browser."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request

from farebox.clock import iso
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Text
from farebox.server.api.settings.setting_texts import check_text
from farebox.server.api.settings.view_file import SavedView, SavedViews, remove_view, save_view, saved_views
from farebox.server.screens import SCREENS

VIEWS = "/api/v1/views"
NAME_MAX = 64
SEARCH_MAX = 4_000
PATHS: list[str] = sorted(("/", *SCREENS))

THIS_VIEW = Text(name="name", about="What the view is called.", required=True)


class ViewRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /api/v1/views`. A view of the same name is replaced."""

    name: str
    screen: str
    """The screen's path: `/explorer`."""
    search: str
    """The parameters of its address, without the question mark."""


class ViewRoutes(MethodRoutes):
    """Read by who may read; saved and removed by owners."""

    @route("GET", VIEWS, rows=Rows("views", ("name",)), refusals=("views_damaged",))
    async def list_views(self, request: Request) -> SavedViews:
        """Views of the dashboard that were given a name."""
        return await asyncio.to_thread(saved_views, self._home)

    @route("PUT", VIEWS, body=ViewRequest, refusals=("views_damaged", "views_full"))
    async def save(self, request: Request) -> SavedViews:
        """Keep what a screen shows under a name."""
        said = await read_struct(request, ViewRequest)
        check_text("name", said.name, NAME_MAX)
        if said.screen not in PATHS:
            raise invalid_parameter("screen", said.screen, PATHS)
        if said.search:  # without any parameter it is the screen as it opens
            check_text("search", said.search, SEARCH_MAX)
        view = SavedView(
            name=said.name.strip(), screen=said.screen, search=said.search, changed_at=iso(self._clock())
        )
        return await asyncio.to_thread(save_view, self._home, view)

    @route("DELETE", VIEWS, THIS_VIEW, refusals=("views_damaged", "view_not_found"))
    async def remove(self, request: Request) -> SavedViews:
        """Remove a view."""
        return await asyncio.to_thread(remove_view, self._home, THIS_VIEW.needed(request))
