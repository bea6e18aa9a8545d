"""The route of privacy: what is kept of persons, where and until when; of one of them, where."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request

from farebox.ledger.erasure import can_be_erased
from farebox.privacy.inventory import MeasuredPlace, inventory
from farebox.privacy.places import SubjectPlace, places_of
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import Text

FIELD = Text(name="field", about="Of what kind `value` is.", examples=("user", "customer", "tag.mail"))
VALUE = Text(name="value", about="The person: where it stands, and what erasing leaves.")


class PrivacyReport(msgspec.Struct, kw_only=True):
    """`/api/v1/privacy`: what is kept of persons."""

    places: list[MeasuredPlace]
    """All there are, with what erasing does to each."""
    found: list[SubjectPlace] | None
    """Where the person that was named stands; null where nobody was."""


class PrivacyRoutes(MethodRoutes):
    """Privacy is for owners: it says of whom something is kept."""

    @route("GET", "/api/v1/privacy", FIELD, VALUE)
    async def privacy(self, request: Request) -> PrivacyReport:
        """What is kept of persons, where and until when; with `field` and `value`, where one stands."""
        field, value = FIELD.of(request), VALUE.of(request)
        if (field is None) != (value is None):
            missing = VALUE if value is None else FIELD
            raise invalid_parameter(missing.name, "", ["`field` and `value`, or neither"])
        if field is not None and not can_be_erased(field):
            raise invalid_parameter("field", field, ["user, customer, session, task, tag.NAME"])

        def read() -> PrivacyReport:
            found = None if field is None or value is None else places_of(self._home, [(field, value)])
            return PrivacyReport(places=inventory(self._home), found=found)

        return await asyncio.to_thread(read)
