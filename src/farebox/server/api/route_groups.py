"""Every group of routes under `/api/v1`, and what is asked of the process itself.

A new route is a method with `@route` in a module beside its neighbours, and a line of `farebox.access.roles`;
a new group is a line here, too.
"""

from __future__ import annotations

from farebox.server.api.alerts.alert_routes import AlertRoutes
from farebox.server.api.audit.audit_routes import AuditRoutes
from farebox.server.api.billing.document_routes import DocumentRoutes
from farebox.server.api.billing.earnings_routes import EarningsRoutes
from farebox.server.api.billing.identity_routes import IdentityRoutes
from farebox.server.api.billing.invoice_routes import InvoiceRoutes
from farebox.server.api.billing.plan_routes import PlanRoutes
from farebox.server.api.billing.wallet_routes import WalletRoutes
from farebox.server.api.calls.call_routes import CallRoutes
from farebox.server.api.capture.capture_routes import CaptureRoutes
from farebox.server.api.exports.export_routes import ExportRoutes
from farebox.server.api.limits.limit_routes import LimitRoutes
from farebox.server.api.method_routes import MethodRoutes
from farebox.server.api.outbox.outbox_routes import OutboxRoutes
from farebox.server.api.overview.overview_routes import OverviewRoutes
from farebox.server.api.portal_links.portal_link_routes import PortalLinkRoutes
from farebox.server.api.prices.price_routes import PriceRoutes
from farebox.server.api.privacy.privacy_routes import PrivacyRoutes
from farebox.server.api.settings.setting_routes import SettingRoutes
from farebox.server.api.settings.view_routes import ViewRoutes
from farebox.server.api.spending.spend_routes import SpendRoutes
from farebox.server.api.status.status_routes import StatusRoutes
from farebox.server.api.usage.usage_routes import UsageRoutes

GROUPS: tuple[type[MethodRoutes], ...] = (
    StatusRoutes,
    CaptureRoutes,
    SpendRoutes,
    OverviewRoutes,
    CallRoutes,
    UsageRoutes,
    LimitRoutes,
    AlertRoutes,
    OutboxRoutes,
    ExportRoutes,
    PriceRoutes,
    SettingRoutes,
    ViewRoutes,
    InvoiceRoutes,
    DocumentRoutes,
    PlanRoutes,
    IdentityRoutes,
    WalletRoutes,
    EarningsRoutes,
    PortalLinkRoutes,
    AuditRoutes,
    PrivacyRoutes,
)
