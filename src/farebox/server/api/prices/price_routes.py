"""The route of the prices in force."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.responses import json_response


class PriceRoutes(MethodRoutes):
    """Prices, for programs that rate with the same ones elsewhere."""

    @route("GET", "/api/v1/prices")
    async def prices(self, request: Request) -> Response:
        copy = await asyncio.to_thread(self._services.prices)
        etag = f'"{copy.digest}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag, "cache-control": "no-cache"})
        response = json_response(copy)
        response.headers["etag"] = etag
        return response
