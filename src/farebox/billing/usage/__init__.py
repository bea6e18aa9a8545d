"""Usage for billing: what customers used in a period, as the record was at one row."""

from farebox.billing.usage.appended import Appended, RecordedUsage
from farebox.billing.usage.plan_usage import consumed, plan_usage
from farebox.billing.usage.questions import AsOf, Span, Usage

__all__ = ["Appended", "AsOf", "RecordedUsage", "Span", "Usage", "consumed", "plan_usage"]
