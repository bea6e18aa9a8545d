"""The paths of the dashboard's screens: each is the same page, which draws the screen of its path.

The screens themselves are in `dashboard/src/app/screens.ts`; a test compares the two.
"""

SCREENS = frozenset(
    (
        "/live",
        "/explorer",
        "/sessions",
        "/breakdown",
        "/reliability",
        "/customers",
        "/billing",
        "/prices",
        "/budgets",
        "/alerts",
        "/capture",
        "/settings",
    )
)
"""Those besides `/`, the overview's."""
