"""Reference pages made from code: commands and flags, the export schema, the JSON json_shapes."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from decimal import Decimal
from typing import Any

import msgspec

from farebox.backup.figures import Figures
from farebox.backup.manifest import Manifest, StoredFile
from farebox.billing.documents.document import (
    BillTo,
    Credit,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    LineDetail,
    Tax,
)
from farebox.billing.explanation.explanation import ExplainedCall, Explanation
from farebox.billing.plans.views import (
    ChangeState,
    CustomerState,
    IdentityState,
    PlanState,
    SubscriptionState,
)
from farebox.cli.alerts.alert_history import HistoryAnswer
from farebox.cli.alerts.alert_list import AlertsAnswer
from farebox.cli.alerts.alert_simulation import AlertSimulationAnswer
from farebox.cli.alerts.alert_snooze import SnoozeAnswer
from farebox.cli.alerts.alert_trial import TrialAnswer
from farebox.cli.app import app
from farebox.cli.audit.audit_list import AuditAnswer
from farebox.cli.audit.audit_proof import AuditKeyAnswer, AuditVerifyAnswer
from farebox.cli.backup import RestoreAnswer
from farebox.cli.budgets.budget_list import BudgetsAnswer
from farebox.cli.budgets.budget_simulation import SimulationAnswer
from farebox.cli.config import ConfigAnswer, ConfigCheckAnswer
from farebox.cli.coupons import AddOnsAnswer, CouponsAnswer
from farebox.cli.demo import DemoAnswer
from farebox.cli.exits import MEANINGS
from farebox.cli.imports.answers import ImportAnswer, ImportedHistory
from farebox.cli.imports.files import FileAnswer, ModelAnswer
from farebox.cli.invoices.invoice_issue import PreviewAnswer, RefusedInvoice, RunAnswer
from farebox.cli.invoices.invoice_list import CreditNoteAnswer, InvoiceAnswer, InvoicesAnswer
from farebox.cli.invoices.line_explanation import LineExplanationAnswer
from farebox.cli.keys import KeysAnswer, NamedKey
from farebox.cli.money_journal import JournalAnswer, JournalVerifyAnswer
from farebox.cli.outbox.messages import MessageAnswer, OutboxAnswer
from farebox.cli.outbox.receivers import ReceiversAnswer, SecretAnswer
from farebox.cli.payees import PayeesAnswer, StatementsAnswer
from farebox.cli.plans.customers import CustomersAnswer
from farebox.cli.plans.plans import AppliedAnswer, PlanDifferenceAnswer, PlansAnswer
from farebox.cli.plans.subscriptions import SubscriptionsAnswer
from farebox.cli.portal import PortalLinkAnswer, PortalLinksAnswer
from farebox.cli.prices.review import ReviewAnswer
from farebox.cli.prices.show import PricesAnswer
from farebox.cli.privacy.privacy_erase import EraseAnswer, ErasedValue
from farebox.cli.privacy.privacy_report import PrivacyAnswer
from farebox.cli.privacy.privacy_retention import FieldAges, RetentionAnswer
from farebox.cli.reports import json_shapes
from farebox.cli.reports.export import NESTED, csv_columns
from farebox.cli.reports.rerate import RerateAnswer
from farebox.cli.reports.session import SessionAnswer
from farebox.cli.reports.verify import VerifyAnswer
from farebox.cli.statusline import StatusLineAnswer
from farebox.cli.stops import StopAnswer, StopsAnswer
from farebox.cli.top.snapshot import TopAnswer, TopCall, TopGroup, TopMinute
from farebox.cli.wallets.wallet_list import WalletAnswer, WalletsAnswer
from farebox.cli.wallets.wallet_moves import ExpiredAnswer, GrantAnswer
from farebox.config import Config
from farebox.config.sections import SECTIONS
from farebox.config.settings import SETTINGS, Setting
from farebox.config.values_in_force import ValueInForce
from farebox.errors import Finding
from farebox.histories.progress import NotUnderstood
from farebox.ingest.openapi import openapi_document
from farebox.ledger.call_row import EXPORT_SCHEMA, CallRow, PartRow
from farebox.ledger.corrections.rerate_differences import Difference
from farebox.ledger.losses.coverage import Missing
from farebox.ledger.proof.verification import Problem
from farebox.pricing.facts import CostLine
from farebox.privacy.inventory import MeasuredPlace
from farebox.privacy.places import SubjectPlace
from farebox.server.api.audit.audit_views import AuditChange, AuditEntry
from farebox.server.api.billing.invoice_views import CreditNoteBrief, InvoiceBrief
from farebox.server.api.billing.margin_views import MarginRow, Margins
from farebox.server.api.billing.simulation_views import (
    BillingSimulation,
    SimulatedCharge,
    SimulatedCustomer,
    SimulatedTotal,
)
from farebox.server.api.billing.wallet_views import (
    AccountBalance,
    AddOnState,
    CouponState,
    ExpiredGrant,
    GrantState,
    JournalLeg,
    JournalTransaction,
    PayeeState,
    StatementLineState,
    StatementState,
    WalletMove,
    WalletState,
)
from farebox.server.api.coverage.coverage import Coverage
from farebox.server.api.coverage.recording import Recording
from farebox.server.api.limits.budget_views import (
    BlockedCaller,
    BlockedWindow,
    BudgetFigures,
    BudgetSimulation,
    BudgetState,
    BudgetValue,
    StopState,
)
from farebox.server.api.outbox.outbox_views import OutboxDelivery, OutboxFigures, OutboxReceiver
from farebox.server.api.portal_links.portal_link_views import PortalLink
from farebox.wire.facts import LEAVES

MADE = "<!-- Made by tools/generate.py (`make docs`); edit the code instead. -->\n"


def cli_page() -> str:
    """Return the reference of all commands and flags."""
    body = app.generate_docs(output_format="markdown", heading_level=1)
    body = re.sub(r"[ \t]+$", "", body, flags=re.MULTILINE).strip()
    rows = "\n".join(f"| {status} | {meaning} |" for status, meaning in sorted(MEANINGS.items()))
    return (
        f"{MADE}\n{body}\n\n## Exit statuses\n\n| status | meaning |\n|---:|---|\n{rows}\n\n"
        "`farebox run` ends with the status of the command it ran: 127 when it was not found, 126 when it\n"
        "could not be started, 128 + n when signal n ended it.\n"
    )


def events_page() -> str:
    """Return the documentation of public events, field by field."""
    schemas = msgspec.json.decode(openapi_document())["components"]["schemas"]
    return f"""{MADE}
# Events

What [the collector](../guides/collector.md) takes in: one flat JSON object an event. Needed are `id` and, for a call, `provider`, `model`
and `usage`; a field that is not listed makes an event invalid. The same as a schema: [OpenAPI](ingest-openapi.json).

{_described(schemas["Event"])}

## A part (`parts`)

{_described(schemas["EventPart"])}

## Quantities

{", ".join(f"`{leaf}`" for leaf in LEAVES)}

## The response

{_described(schemas["Receipt"])}

## A verdict (`items`)

{_described(schemas["Verdict"])}
"""


def _described(schema: dict[str, Any]) -> str:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        kinds = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
        said = " or ".join(dict.fromkeys(_kind(each) for each in kinds))
        rows.append(f"| `{name}` | {said} | {field.get('description', '')} |")
    return "\n".join(rows)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " · ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return "object"
    return "decimal text" if schema.get("format") == "decimal" else schema["type"]


def export_page() -> str:
    """Return the documentation of `farebox export`."""
    return f"""{MADE}
# The export: `{EXPORT_SCHEMA}`

`farebox export --format jsonl` writes one JSON object a line, oldest first; `--format csv` the same rows for
spreadsheets. The version stands in every row's `schema`. Fields are only ever added within a version; one that
changes its meaning or goes away makes a new version.

- Money is an integer of pico-dollars (10⁻¹² US dollars) in `…_pico`, and the same amount as decimal text in `…_usd`.
  `null` means that there is no price: it is never zero.
- Instants are RFC 3339 text in UTC. Durations are microseconds.
- Quantities are mutually exclusive: adding them counts no token twice. The five `…_tokens` totals follow
  OpenTelemetry: cached tokens are inside `input_tokens`, reasoning tokens inside `output_tokens`.
- Decimals (seconds, unit prices, markups) are text, so that no reader rounds them.

## A call

{_fields(CallRow)}

## A part (`parts`)

{_fields(PartRow)}

## A line (`parts[].lines`)

{_fields(CostLine)}

## Quantities

{", ".join(f"`{leaf}`" for leaf in LEAVES)}

## CSV

RFC 4180 with a header, CRLF line ends and {len(csv_columns())} columns: the fields above in their order, with `quantities` as one
column a leaf (`quantity_input_uncached` …). {", ".join(f"`{name}`" for name in NESTED if name != "quantities")} hold JSON. An empty
cell is `null`. A text that a spreadsheet would run as a formula (one that starts with `=`, `+`, `-`, `@`, tab or
carriage return) gets a `'` in front; numbers stay numbers.
"""


def configuration_page() -> str:
    """Return the reference of all settings and sections, made of their declarations."""
    settings = "\n".join(
        f"| `{each.key}` | {_in_table(each.form)} | {_default(each)} | `{each.environment}` | {each.help}"
        f" | {'yes' if each.loosened else 'no'} | {'at once' if each.at_once else 'restart'} |"
        for each in SETTINGS.values()
    )
    sections = "\n\n".join(
        f"### `{each.key}`\n\n{each.help}\n\n```yaml\n{each.example}```\n\n"
        f"In a working directory's file: {each.in_directory or 'nothing'}. "
        f"A change takes effect {'at once' if each.at_once else 'after a restart'}."
        for each in SECTIONS.values()
    )
    return f"""{MADE}
# Configuration

`farebox.yaml` in the state directory, then `farebox.yaml` in the working directory, then environment variables, then
flags of `farebox up`: each overrides the one before it. `--config FILE` or `FAREBOX_CONFIG` names a file that takes the
place of both files. `farebox config show` prints every value in force with where it comes from, `farebox config check
[FILE]` every mistake with file, line and key. [The guide](../guides/configuration.md) explains more.

## Settings

The variable of a setting is its name in capitals behind `FAREBOX_`, the flag its name with `-` for `.`.

| setting | form | default | variable | | in a working directory | a change takes effect |
|---|---|---|---|---|---|---|
{settings}

## Sections

{sections}
"""


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


def _default(setting: Setting) -> str:
    written = setting.written(Config())
    return "–" if written is None else f"`{written}`"


def json_page() -> str:
    """Return the shapes of `--json` json_shapes."""
    shapes: list[type[msgspec.Struct]] = [
        json_shapes.SummaryAnswer,
        json_shapes.BreakdownAnswer,
        json_shapes.StatusAnswer,
        json_shapes.HealthAnswer,
        KeysAnswer,
        NamedKey,
        json_shapes.TokensAnswer,
        json_shapes.TokenCreatedAnswer,
        PortalLinksAnswer,
        PortalLinkAnswer,
        PortalLink,
        json_shapes.ServiceAnswer,
        DemoAnswer,
        StatusLineAnswer,
        SessionAnswer,
        TopAnswer,
        TopGroup,
        TopCall,
        TopMinute,
        VerifyAnswer,
        AuditAnswer,
        AuditVerifyAnswer,
        AuditKeyAnswer,
        AuditEntry,
        AuditChange,
        Manifest,
        RestoreAnswer,
        PricesAnswer,
        RerateAnswer,
        ImportAnswer,
        ImportedHistory,
        FileAnswer,
        ModelAnswer,
        NotUnderstood,
        Difference,
        ReviewAnswer,
        EraseAnswer,
        ErasedValue,
        SubjectPlace,
        PrivacyAnswer,
        MeasuredPlace,
        RetentionAnswer,
        FieldAges,
        ConfigAnswer,
        ValueInForce,
        ConfigCheckAnswer,
        AlertsAnswer,
        SnoozeAnswer,
        TrialAnswer,
        HistoryAnswer,
        AlertSimulationAnswer,
        BudgetsAnswer,
        BudgetState,
        BudgetFigures,
        BudgetValue,
        SimulationAnswer,
        BudgetSimulation,
        BlockedWindow,
        BlockedCaller,
        StopsAnswer,
        StopAnswer,
        StopState,
        InvoicesAnswer,
        InvoiceBrief,
        CreditNoteBrief,
        InvoiceAnswer,
        PreviewAnswer,
        RunAnswer,
        RefusedInvoice,
        CreditNoteAnswer,
        LineExplanationAnswer,
        Explanation,
        ExplainedCall,
        Invoice,
        InvoiceLine,
        LineDetail,
        BillTo,
        Tax,
        Credit,
        CreditNote,
        CreditNoteLine,
        CustomersAnswer,
        PlansAnswer,
        AppliedAnswer,
        PlanDifferenceAnswer,
        SubscriptionsAnswer,
        CustomerState,
        IdentityState,
        SubscriptionState,
        PlanState,
        ChangeState,
        WalletsAnswer,
        Margins,
        MarginRow,
        BillingSimulation,
        SimulatedCustomer,
        SimulatedCharge,
        SimulatedTotal,
        WalletAnswer,
        GrantAnswer,
        ExpiredAnswer,
        WalletState,
        GrantState,
        WalletMove,
        ExpiredGrant,
        CouponsAnswer,
        CouponState,
        AddOnsAnswer,
        AddOnState,
        PayeesAnswer,
        PayeeState,
        StatementsAnswer,
        StatementState,
        StatementLineState,
        JournalAnswer,
        AccountBalance,
        JournalTransaction,
        JournalLeg,
        JournalVerifyAnswer,
        OutboxAnswer,
        MessageAnswer,
        ReceiversAnswer,
        SecretAnswer,
        OutboxDelivery,
        OutboxReceiver,
        OutboxFigures,
        Figures,
        StoredFile,
        json_shapes.PeriodAnswer,
        json_shapes.Totals,
        json_shapes.GroupAnswer,
        json_shapes.ProcessAnswer,
        json_shapes.ProcessHealth,
        json_shapes.TokenAnswer,
        Coverage,
        Missing,
        Recording,
        Problem,
        Finding,
    ]
    parts = [f"## {_title(shape)}\n\n{_sentence(shape)}\n\n{_fields(shape)}" for shape in shapes]
    return (
        f"{MADE}\n# What `--json` prints\n\nOne object; `tail --json` one object a line, and `explain --json` a call, "
        "in the shape of the [export](export.md).\nMoney is an integer of pico-dollars (10⁻¹² US dollars) beside "
        "decimal text.\n\n" + "\n\n".join(parts) + "\n"
    )


def _title(shape: type[msgspec.Struct]) -> str:
    schema = next((field.default for field in msgspec.structs.fields(shape) if field.name == "schema"), None)
    return f"`{schema}`" if schema else shape.__name__


def _sentence(shape: type[msgspec.Struct]) -> str:
    return " ".join((shape.__doc__ or "").split())


def _fields(shape: type[msgspec.Struct]) -> str:
    words = _docstrings(shape)
    hints = typing.get_type_hints(shape)
    rows = [
        f"| `{name}` | {_type(hints[name])} | {words.get(name, '')} |" for name in shape.__struct_fields__
    ]
    return "\n".join(["| field | type | |", "|---|---|---|", *rows])


def _docstrings(shape: type[msgspec.Struct]) -> dict[str, str]:
    """Return the text under each field, base classes included."""
    found: dict[str, str] = {}
    for base in reversed(shape.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        tree = ast.parse(inspect.getsource(base)).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[field.target.id] = " ".join(str(text.value.value).split()).replace("|", "\\|")
    return found


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is type(None):
        return "null"
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"object of {_type(arguments[1])}"
    if arguments:
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
    names: dict[Any, str] = {
        str: "text",
        int: "integer",
        bool: "boolean",
        float: "number",
        Decimal: "decimal text",
    }
    return names.get(hint, f"[{hint.__name__}](#)" if isinstance(hint, type) else str(hint)).replace(
        "(#)", ""
    )
