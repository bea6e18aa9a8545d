"""`farebox customers`: who is billed, and whose calls are theirs."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from farebox.billing.plans.views import CustomerState, customers_view
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.plans.stored_terms import Yes, apply_to_record, node_of, pairs_of, read_kept, say_problems
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, Column, clean, paint, table
from farebox.clock import now_ns
from farebox.errors import ConfigError, Finding, UsageError
from farebox.program import command

app = App(
    name="customers", help="See and set who is billed, and which keys, users, agents and tags are theirs."
)

Name = Annotated[str, Parameter(help="The customer's name, as calls say it.")]
From = Annotated[str | None, Parameter(name="--from", help="From when: 2026-11-01, in the customer's zone.")]
Until = Annotated[str | None, Parameter(help="Until when, not included.")]


class CustomersAnswer(msgspec.Struct, kw_only=True):
    """`farebox customers --json`."""

    schema: str = "farebox.customers/1"
    customers: list[CustomerState]
    problems: list[str]


@app.command(name="list", help="List the customers.")
@app.default
def list_customers(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the customers: plan, currency, zone, and what is mapped to each."""
    home = (place or Place()).state_to_read()
    kept, problems = read_kept(home)
    found = customers_view(kept, now_ns(), problems=problems)
    if as_json:
        print_json(CustomersAnswer(customers=found.customers, problems=problems))
        return OK
    say_problems(problems)
    if not found.customers:
        print("No customer is set. Set one, or write `customers:` into farebox.yaml:")
        example = 'customers set acme --name "Acme Inc." --currency USD'
        print(f"  {command(example)}")
        return OK
    columns = [
        Column("customer"),
        Column("name", drop=2, width_min=8),
        Column("plan"),
        Column("currency"),
        Column("zone", drop=3),
        Column("tax %", right=True, drop=3),
        Column("mapped", drop=1, width_min=10),
    ]
    rows = [
        [
            clean(each.id),
            clean(each.name) or "–",
            clean(_plans(each)) or "–",
            each.currency,
            each.timezone,
            each.tax_percent,
            clean(", ".join(f"{one.dimension} {one.value}" for one in each.identities)) or "–",
        ]
        for each in found.customers
    ]
    print(table(columns, rows))
    return OK


@app.command(help="Show one customer.")
def show(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one customer: address, tax, what is mapped to it, and its subscriptions."""
    home = (place or Place()).state_to_read()
    kept, problems = read_kept(home)
    found = customers_view(kept, now_ns(), name=name)
    if as_json:
        print_json(CustomersAnswer(customers=found.customers, problems=problems))
        return OK
    say_problems(problems)
    (each,) = found.customers
    print(paint(clean(each.id), BOLD) + (f": {clean(each.name)}" if each.name else ""))
    print(
        f"  {each.currency}, days of {each.timezone}, tax {each.tax_percent} %; set by {clean(each.origin)}"
    )
    for title, value in (
        ("address", ", ".join(each.address)),
        ("e-mail", each.email),
        ("tax id", each.tax_id),
        ("ids elsewhere", ", ".join(f"{key} {value}" for key, value in each.external_ids.items())),
        ("metadata", ", ".join(f"{key}={value}" for key, value in each.metadata.items())),
    ):
        if value:
            print(f"  {title}: {clean(value)}")
    for one in each.identities:
        span = f"{one.since or 'the first call'} to {one.until or 'now on'}"
        print(f"  {clean(one.dimension)} {clean(one.value)}: {span}")
    for sub in each.subscriptions:
        end = f" until {sub.until}" if sub.until else ""
        print(f"  on {clean(sub.plan)} {sub.version} from {sub.start}{end} ({sub.state})")
    if not each.subscriptions:
        print(f"  on no plan: {command(f'subscriptions start {each.id} PLAN')}")
    return OK


@app.command(name="set", help="Set a customer, or change what you name of one.")
def set_customer(
    name: Name,
    /,
    *,
    title: Annotated[str | None, Parameter(name="--name", help="What invoices call it: Acme Inc.")] = None,
    currency: Annotated[str | None, Parameter(help="USD, EUR, JPY …")] = None,
    timezone: Annotated[str | None, Parameter(help="Whose days are billed: America/New_York.")] = None,
    tax_percent: Annotated[str | None, Parameter(help="Tax on every line that names none: 19.")] = None,
    email: Annotated[str | None, Parameter(help="Where invoices are sent.")] = None,
    address: Annotated[
        list[str] | None, Parameter(help="A line of the address; repeat it.", negative="")
    ] = None,
    tax_id: Annotated[str | None, Parameter(help="The customer's tax number.")] = None,
    external_id: Annotated[
        list[str] | None, Parameter(help="Its id in another system: stripe=cus_123.", negative="")
    ] = None,
    metadata: Annotated[list[str] | None, Parameter(help="NAME=VALUE.", negative="")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Set a customer. Of one that there is, what you do not name stays as it was."""
    home = (place or Place()).state()
    kept, _ = read_kept(home)
    from farebox.billing.plans.changes import apply
    from farebox.charges.plan_reader.customers import plain
    from farebox.control import audit

    there = kept.customers.get(name)
    said: dict[str, Any] = {} if there is None else dict(plain(there.customer))
    given = {"name": title, "currency": currency, "timezone": timezone, "tax_percent": tax_percent}
    given |= {"email": email, "address": address, "tax_id": tax_id}
    said |= {key: value for key, value in given.items() if value is not None}
    if external_id is not None:
        said["external_ids"] = pairs_of(external_id, "--external-id")
    if metadata is not None:
        said["metadata"] = pairs_of(metadata, "--metadata")
    findings: list[Finding] = []
    from farebox.charges.plan_reader import read_billing_terms

    terms = read_billing_terms({"customers": node_of({name: said}, "customers")}, findings)
    if findings:
        raise ConfigError(findings)
    apply(home, terms, audit.command_line(), now_ns())
    if as_json:
        kept, problems = read_kept(home)
        found = customers_view(kept, now_ns(), name=name)
        print_json(CustomersAnswer(customers=found.customers, problems=problems))
        return OK
    return show(name, place=place)


@app.command(name="map", help="Let a key, user, agent or tag stand for a customer.")
def map_customer(
    name: Name,
    /,
    *,
    key: Annotated[str | None, Parameter(help="An API key, by its label or fingerprint.")] = None,
    user: Annotated[str | None, Parameter(help="A user, as calls say it.")] = None,
    agent: Annotated[str | None, Parameter(help="An agent, as calls say it.")] = None,
    tag: Annotated[str | None, Parameter(help="A tag: tenant=acme.")] = None,
    from_: From = None,
    until: Until = None,
    place: Place | None = None,
) -> int:
    """Let a key, user, agent or tag stand for a customer; calls before count too, unless you say --from.

    What it stood for before ends where this begins. Calls that are recorded already are corrected.
    """
    from farebox.billing.plans.changes import map_identity
    from farebox.charges.identities import EVER, NEVER, Identity
    from farebox.charges.plan_reader.written_values import read_moment_ns
    from farebox.control import audit

    home = (place or Place()).state()
    kept, _ = read_kept(home)
    dimension, value = _what(key, user, agent, tag)
    there = kept.customers.get(name)
    zone = "UTC" if there is None else there.customer.timezone
    try:
        start = EVER if from_ is None else read_moment_ns(from_, zone)
        end = NEVER if until is None else read_moment_ns(until, zone)
    except ValueError as error:
        raise UsageError(f"--from and --until: {error}") from None
    if end <= start:
        raise UsageError("--until is after --from")
    said = Identity(customer=name, dimension=dimension, value=value, from_ns=start, until_ns=end)
    map_identity(home, said, audit.command_line(), now_ns())
    since = "from the first call on" if from_ is None else f"from {from_} on"
    print(
        f"{clean(dimension)} {clean(value)} is {clean(name)}'s {since}{f' until {until}' if until else ''}."
    )
    if apply_to_record(place or Place(), home) and home.ledger.exists():
        print("The calls that are recorded already say so, too.")
    return OK


@app.command(help="Let a key, user, agent or tag stand for nobody from now on.")
def unmap(
    *,
    key: Annotated[str | None, Parameter(help="An API key, by its label or fingerprint.")] = None,
    user: Annotated[str | None, Parameter(help="A user.")] = None,
    agent: Annotated[str | None, Parameter(help="An agent.")] = None,
    tag: Annotated[str | None, Parameter(help="A tag: tenant=acme.")] = None,
    at: Annotated[str | None, Parameter(help="From when, in UTC: 2026-11-01; now by default.")] = None,
    place: Place | None = None,
) -> int:
    """Let a key, user, agent or tag stand for nobody from a moment on."""
    from farebox.billing.plans.changes import unmap_identity
    from farebox.charges.plan_reader.written_values import read_moment_ns
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    dimension, value = _what(key, user, agent, tag)
    try:
        moment = now_ns() if at is None else read_moment_ns(at, "UTC")
    except ValueError as error:
        raise UsageError(f"--at: {error}") from None
    unmap_identity(home, dimension, value, moment, audit.command_line(), now_ns())
    print(f"{clean(dimension)} {clean(value)} stands for nobody from {at or 'now'} on.")
    apply_to_record(place or Place(), home)
    return OK


@app.command(help="Take a customer away; its invoices stay.")
def remove(
    name: Name,
    /,
    *,
    yes: Yes = False,
    write_off: Annotated[
        bool,
        Parameter(negative="", help="Also where newer calls of invoiced days have not been adjusted."),
    ] = False,
    place: Place | None = None,
) -> int:
    """Take a customer away whose subscriptions have ended; what it was billed for stays."""
    from farebox.billing.plans.changes import remove_customer
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    if not yes and not is_confirmed(f"Remove {clean(name)}? What is mapped to it stands for nobody then."):
        raise UsageError(f"nothing was removed; to remove it: {command(f'customers remove {name} --yes')}")
    remove_customer(home, name, audit.command_line(), now_ns(), write_off=write_off)
    print(f"{clean(name)} is removed; its invoices stay.")
    return OK


def _what(key: str | None, user: str | None, agent: str | None, tag: str | None) -> tuple[str, str]:
    given = [
        (n, v) for n, v in (("key", key), ("user", user), ("agent", agent), ("tag", tag)) if v is not None
    ]
    if len(given) != 1 or not given[0][1].strip():
        raise UsageError("one of --key, --user, --agent and --tag NAME=VALUE says what is the customer's")
    dimension, value = given[0]
    if dimension == "tag":
        ((label, value),) = pairs_of([value], "--tag").items()
        return f"tag.{label.lower()}", value
    return dimension, value


def _plans(each: CustomerState) -> str:
    return ", ".join(f"{one.plan} {one.version}" for one in each.subscriptions if one.state == "active")
