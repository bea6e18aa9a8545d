"""Charge models: each one turns a quantity into an amount. `Model` is any of them."""

from __future__ import annotations

from farebox.charges.models.bucketed import Bucketed
from farebox.charges.models.cost_plus import CostPlus
from farebox.charges.models.credits import CreditConversion
from farebox.charges.models.graduated import Graduated, GraduatedPercentage
from farebox.charges.models.package import Package
from farebox.charges.models.percentage import Percentage
from farebox.charges.models.standard import Standard
from farebox.charges.models.volume import Volume

Model = (
    Standard
    | Graduated
    | Volume
    | Package
    | CostPlus
    | Percentage
    | GraduatedPercentage
    | Bucketed
    | CreditConversion
)
"""Any charge model; the tag `model` tells them apart in JSON."""

__all__ = [
    "Bucketed",
    "CostPlus",
    "CreditConversion",
    "Graduated",
    "GraduatedPercentage",
    "Model",
    "Package",
    "Percentage",
    "Standard",
    "Volume",
]
