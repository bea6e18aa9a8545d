"""Standard: every unit at one price."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Standard(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="standard"
):
    """Each `per` units cost `unit`."""

    unit: Decimal
    per: Decimal = Decimal(1)
