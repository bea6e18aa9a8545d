"""Bucketed: every hour or day of the period is rated by itself."""

from __future__ import annotations

import msgspec

from farebox.charges.models.cost_plus import CostPlus
from farebox.charges.models.graduated import Graduated, GraduatedPercentage
from farebox.charges.models.package import Package
from farebox.charges.models.standard import Standard
from farebox.charges.models.volume import Volume

Inner = Standard | Graduated | Volume | Package | CostPlus | GraduatedPercentage
"""What a bucket may be rated by."""


class Bucketed(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="model", tag="bucketed"
):
    """Each bucket's quantity by `inner`, added up. The charge's `bucket` says how long one is."""

    inner: Inner
