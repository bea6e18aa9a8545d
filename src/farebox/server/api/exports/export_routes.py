"""The routes of exports of usage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.requests import Request

from farebox.config.exports_section import read_export
from farebox.config.webhooks_section import RECEIVER_NAME
from farebox.errors import ConfigError, Finding, UsageError
from farebox.server.api.errors import ApiError
from farebox.server.api.exports.export_views import (
    ExportCount,
    ExportDetail,
    Exports,
    ExportTrial,
    export_detail,
    exports_view,
)
from farebox.server.api.json_nodes import node_of
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_body, read_struct, route
from farebox.server.api.operations import Body

if TYPE_CHECKING:
    from farebox.exports.changes import ExportChanges

EXPORTS = "/api/v1/exports"
_ONE = f"{EXPORTS}/{{name}}"
_BELOW = ("pause", "resume", "replay", "settle", "test")
_DEFINITION = Body(
    about="The export's settings as the home's `farebox.yaml` has them below its name; its key by reference.",
    examples=({"stripe": {"env": "STRIPE_API_KEY"}, "customers": {"acme": "cus_Q1w2E3r4"}},),
)

_Found = TypeVar("_Found")


class Settlement(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/exports/{name}/settle`."""

    received: bool
    """Whether the receiver has them; those it has not are sent."""
    ids: list[str] = []
    """Of these events; of all that are in doubt where none is named."""


class ExportRoutes(MethodRoutes):
    """Exports: set, removed, paused, tried, sent again."""

    def name_of(self, path: str) -> str | None:
        """Return the route that a path is one of."""
        if path == EXPORTS:
            return path
        name, slash, rest = path.removeprefix(f"{EXPORTS}/").partition("/")
        if not path.startswith(f"{EXPORTS}/") or not RECEIVER_NAME.fullmatch(name):
            return None
        if not slash:
            return _ONE
        return f"{_ONE}/{rest}" if rest in _BELOW else None

    @route("GET", EXPORTS, rows=Rows("exports", ("name",)))
    async def list_exports(self, request: Request) -> Exports:
        """Systems that usage is handed over to, and how each is doing."""
        seq = await self._ledger.read(lambda reader: reader.last_seq())
        return await asyncio.to_thread(lambda: exports_view(self._home, seq, self._control()))

    @route("GET", _ONE, refusals=("export_not_found",))
    async def show(self, request: Request) -> ExportDetail:
        """One export, and the events that need somebody."""
        return await self._shown(_name(request))

    @route("PUT", _ONE, body=_DEFINITION, refusals=("config_invalid",))
    async def put(self, request: Request) -> ExportDetail:
        """Set an export, in the place of the one of this name."""
        name = _name(request)
        findings: list[Finding] = []
        said = read_export(name, node_of(await read_body(request)), findings)
        if said is None or findings:
            raise ConfigError(findings)
        await self._changed(request, lambda changes: changes.put(said))
        return await self._shown(name)

    @route("DELETE", _ONE, refusals=("export_not_found",))
    async def remove(self, request: Request) -> Exports:
        """Take an export away; what its receiver has stays known. What is left is shown."""
        name = _name(request)
        await self._changed(request, lambda changes: changes.remove(name), name)
        return await self.list_exports(request)

    @route("POST", f"{_ONE}/pause", refusals=("export_not_found",))
    async def pause(self, request: Request) -> ExportDetail:
        """Send nothing, and follow the record no further, until it is resumed."""
        name = _name(request)
        await self._changed(request, lambda changes: changes.pause(name), name)
        return await self._shown(name)

    @route("POST", f"{_ONE}/resume", refusals=("export_not_found",))
    async def resume(self, request: Request) -> ExportDetail:
        """Go on from where it was paused or stopped."""
        name = _name(request)
        await self._changed(request, lambda changes: changes.resume(name), name)
        return await self._shown(name)

    @route("POST", f"{_ONE}/replay", refusals=("export_not_found",))
    async def replay(self, request: Request) -> ExportCount:
        """Send events again that were refused or cancelled; never one that the receiver has, or may have."""
        name = _name(request)
        number = await self._changed(request, lambda changes: changes.replay(name), name)
        return ExportCount(events=number, export=(await self._shown(name)).export)

    @route("POST", f"{_ONE}/settle", body=Settlement, refusals=("export_not_found",))
    async def settle(self, request: Request) -> ExportCount:
        """Say what became of events in doubt."""
        name = _name(request)
        said = await read_struct(request, Settlement)
        number = await self._changed(
            request, lambda changes: changes.settle(name, received=said.received, ids=said.ids), name
        )
        return ExportCount(events=number, export=(await self._shown(name)).export)

    @route("POST", f"{_ONE}/test", refusals=("export_not_found",))
    async def test(self, request: Request) -> ExportTrial:
        """Ask the receiver whether it knows our key, without handing over any usage."""
        from farebox.exports.changes import check_export

        name = _name(request)
        await self._shown(name)
        reason = await asyncio.to_thread(lambda: check_export(self._home, name))
        return ExportTrial(export=name, accepted=not reason, reason=reason)

    async def _changed(
        self, request: Request, do: Callable[[ExportChanges], _Found], name: str | None = None
    ) -> _Found:
        from farebox.exports.changes import ExportChanges

        if name is not None:
            await self._shown(name)
        actor, now = self._actor(request), self._clock()
        return await asyncio.to_thread(lambda: do(ExportChanges(self._home, actor, now, self._control())))

    async def _shown(self, name: str) -> ExportDetail:
        seq = await self._ledger.read(lambda reader: reader.last_seq())
        missing = ApiError(404, "export_not_found", f"There is no export {name!r}.")
        if self._control() is None:
            raise missing
        try:
            return await asyncio.to_thread(lambda: export_detail(self._home, name, seq, self._control()))
        except UsageError:
            raise missing from None


def _name(request: Request) -> str:
    return request.url.path.removeprefix(f"{EXPORTS}/").partition("/")[0]
