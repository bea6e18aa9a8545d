"""The OpenAPI 3.1 document of the portal's routes: `make docs` writes docs/reference/portal-openapi.json."""

from __future__ import annotations

from farebox.server.api.openapi.document import document_of, written
from farebox.server.api.operations import Operation
from farebox.server.portal.portal_routes import PortalRoutes


def portal_document() -> bytes:
    """Return the document as JSON text."""
    return written(
        document_of(
            portal_operations(),
            "portal",
            "Farebox: the customers' portal",
            "A customer's own usage, charges and invoices, on the portal's listener. The token says who the "
            "customer is. Amounts are text: decimals in the customer's currency, or numerator/denominator "
            "where no decimal is exact.",
            "What follows # in a link: `farebox portal link CUSTOMER`",
        )
    )


def portal_operations() -> list[Operation]:
    """Return everything that the portal can be asked for."""
    return [operation for methods in PortalRoutes.routes.values() for operation in methods.values()]
