"""Publish what `control.db` and the home's `farebox.yaml` say in the snapshot that everybody else reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from farebox.alerts.alert import Alert
from farebox.budgets.budget import COMMAND, Budget
from farebox.clock import now_ns
from farebox.config import Config, load_config
from farebox.errors import FareboxError
from farebox.home import Home, replace_private
from farebox.snapshot import PublishedToken, Snapshot, decode, encode

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.charges.plan import Subscription
    from farebox.control.billing_terms import CheckedTerms
    from farebox.control.customers import KeptCustomer
    from farebox.control.database import ControlDatabase
    from farebox.errors import Finding

_Said = TypeVar("_Said", Budget, Alert)

_FILE_TIMES_LAG_NS = 20_000_000
"""A file's times come from a clock that ticks less often than the one we read."""


@contextlib.contextmanager
def change(home: Home, database: ControlDatabase | None = None) -> Generator[Connection]:
    """Change `control.db` in one transaction; what it says then is published before this returns.

    Names and tokens are changed here and nowhere else: the seal is renewed with them.

    Raises:
        ControlError: It cannot be changed, or not be published: then it is at the next change or start.
    """
    from farebox.control import seal
    from farebox.control.database import open_control

    opened = database or open_control(home)
    with opened.writing() as connection:
        opened.check_seal(connection)
        yield connection
        seal.renew(connection)
    publish(home, opened)


def publish(home: Home, database: ControlDatabase | None = None) -> Snapshot:
    """Renew the snapshot and return it.

    The database's write lock is held while it is read and the snapshot replaced: of two who publish at once,
    the later one has read what the other one committed. The home's file is read and checked before, and again
    only if it, or what is stored, has changed by then: others do not wait for a long file. Without a control
    database, only the configuration is published, and SQLAlchemy is not loaded.

    Raises:
        ControlError: The database cannot be used, or the file not written; the last snapshot stays.
    """
    began_ns = now_ns() - _FILE_TIMES_LAG_NS
    content = _content(home)
    file = _file_says(home)
    is_alone = database is None and not home.control.exists()
    if is_alone and not _needs_database(file.config):
        return _replace(home, file.state(), began_ns)
    from farebox.control.database import open_control

    opened = database or open_control(home)
    checked = _checked(opened, file)
    from farebox.control.audit import attribute, home_files

    with opened.writing() as connection:
        attribute(connection, now_ns(), home_files.FILES)
        opened.check_seal(connection)
        if _content(home) != content:
            file = _file_says(home)
            checked = None
        if not file.problems:
            _take_over_receivers(connection, file.config)
            file = _take_over_terms(connection, file, checked)
        state = _state(home, connection, file)
        home_files.take_over_files(connection, home, state)
        return _replace(home, state, began_ns)


def _needs_database(said: Config) -> bool:
    """Return whether the file says something that others keep rows about: of alerts, who was told."""
    return bool(said.webhooks or said.channels or said.exports or said.billing_terms or said.alerts)


def _is_published(home: Home, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return home.snapshot.read_bytes() == content
    return False


class _File(msgspec.Struct, frozen=True):
    """What the home's file says; while it is wrong, what it said when it was last right."""

    config: Config
    problems: tuple[str, ...] = ()
    has_markup: bool = False
    """Whether `pricing:` says anywhere what customers pay for a dollar of cost."""

    def state(self) -> Snapshot:
        """Return what is published of it."""
        return Snapshot(
            configured=self.config.keys,
            budgets=self.config.budgets,
            alerts=self.config.alerts,
            problems=self.problems,
        )


def _take_over_receivers(connection: Connection, said: Config) -> None:
    """Write the file's receivers where whoever enqueues looks: the ledger process reads no YAML."""
    from farebox.control.outbox.receivers import configure
    from farebox.control.outbox.signing_secrets import configured_settings

    told = (*said.webhooks, *said.channels, *said.exports)
    configure(connection, {each.name: configured_settings(each) for each in told}, now_ns())


def _content(home: Home) -> bytes | None:
    """Return the file as it is, None where there is none or it cannot be read."""
    try:
        return home.config.read_bytes()
    except OSError:
        return None


def _checked(opened: ControlDatabase, file: _File) -> CheckedTerms | None:
    """Return how the file's terms fit what is stored now; None where there are none, or the file is wrong."""
    from farebox.control.billing_terms import checked_terms

    if file.problems or not file.config.billing_terms:
        return None
    with opened.reading() as connection:
        opened.check_seal(connection)
        return checked_terms(connection, file.config.billing_terms, now_ns())


def _take_over_terms(connection: Connection, file: _File, checked: CheckedTerms | None) -> _File:
    """Store the file's customers, plans and subscriptions, whose versions are kept; what is wrong with them
    is a problem of the file, and what it said before stays."""
    from farebox.charges.plan_reader import BillingTerms
    from farebox.control import seal
    from farebox.control.billing_terms import take_over

    findings, changed = take_over(connection, file.config.billing_terms or BillingTerms(), now_ns(), checked)
    if changed:
        seal.renew(connection)
    return msgspec.structs.replace(file, problems=(*file.problems, *map(str, findings)))


def _state(home: Home, connection: Connection, file: _File) -> Snapshot:
    from sqlalchemy import or_, select

    from farebox.control import alerts, budgets
    from farebox.control.database import damaged
    from farebox.control.keys import labels
    from farebox.control.schema import token

    ends = or_(token.c.expires_at.is_(None), token.c.expires_at > now_ns())
    try:
        tokens = {
            row.hash: PublishedToken(
                id=row.id,
                scope=row.scope,
                binding=msgspec.json.decode(row.binding, type=dict[str, str]),
                expires_at=row.expires_at,
            )
            for row in connection.execute(select(token).where(token.c.revoked_at.is_(None), ends))
        }
        commanded = budgets.budgets(connection)
        watched = alerts.alerts(connection)
        file = _fitting(home, file, connection, commanded, watched)
        return msgspec.structs.replace(
            file.state(),
            labelled=labels(connection),
            tokens=tokens,
            budgets=budgets.together(file.config.budgets, list(commanded.values())),
            stops=tuple(budgets.stops(connection)),
            alerts=budgets.together(file.config.alerts, list(watched.values())),
            snoozes=tuple(alerts.snoozes(connection)),
            **_billing_state(connection, has_markup=file.has_markup),
        )
    except msgspec.MsgspecError as error:
        raise damaged(home, str(error)) from error


def _billing_state(connection: Connection, *, has_markup: bool) -> dict[str, Any]:
    """Return who is on which plan, or on none: of plans, only the versions that somebody is on."""
    from farebox.control import customers, plans, subscriptions

    known = customers.customers(connection).values()
    mapped = customers.identities(connection)
    kept = subscriptions.subscriptions(connection)
    there = [each.subscription for each in kept]
    used = {(each.plan, each.version) for each in there}
    versions = [each for each in plans.versions(connection) if each.retired_at is None or each.key in used]
    by_pricing = _by_pricing(connection, known, there) if has_markup else ()
    return {
        "by_pricing": by_pricing,
        "customers": tuple(each.customer for each in known),
        "plans": tuple(each.plan for each in versions if each.key in used),
        "subscriptions": tuple(there),
        "identities": tuple(each.identity for each in mapped),
        "has_terms_of_file": any(each.origin != COMMAND for each in (*known, *versions, *kept, *mapped)),
    }


def _by_pricing(
    connection: Connection, known: Iterable[KeptCustomer], there: Iterable[Subscription]
) -> tuple[Subscription, ...]:
    """Return when each customer is billed by `pricing:`: before any subscription, those removed included."""
    from farebox.charges.pricing_plan import subscription_to_pricing
    from farebox.control import subscriptions

    on: dict[str, list[Subscription]] = {}
    for each in (*there, *(kept.subscription for kept in subscriptions.removed(connection).values())):
        on.setdefault(each.customer, []).append(each)
    found = (
        subscription_to_pricing(each.customer, each.added_at, on.get(each.customer.id, ())) for each in known
    )
    return tuple(each for each in found if each is not None)


def _fitting(
    home: Home,
    file: _File,
    connection: Connection,
    budgets: Mapping[str, Budget],
    alerts: Mapping[str, Alert],
) -> _File:
    """Return the file's state; where its budgets and alerts do not fit what commands have set, these stay as
    they were: a name that stands in both, or that stands for nothing.

    At the first publication nothing was before: then the file goes first.
    """
    if file.problems:
        return file
    from farebox.budgets.node_readers import named_twice

    said = file.config
    findings = named_twice(home.config, said.budgets, budgets, section="budgets", command="budget")
    findings += named_twice(home.config, said.alerts, alerts, section="alerts", command="alerts")
    findings += _missing(connection, said)
    if not findings:
        return file
    config = _with_published(home, said) if home.snapshot.exists() else said
    return msgspec.structs.replace(file, config=config, problems=tuple(map(str, findings)))


def _missing(connection: Connection, said: Config) -> list[Finding]:
    if not said.alert_references:
        return []
    from farebox.alerts.references import missing
    from farebox.config.alerts_section import known_of_file
    from farebox.control.alerts import known

    return missing(said.alert_references, known_of_file(said) | known(connection))


def _with_published(home: Home, said: Config) -> Config:
    """Return a file's configuration with the budgets and alerts that it had when it was last right."""
    before = _published(home)
    return msgspec.structs.replace(
        said, budgets=_of_file(before.budgets), alerts=_of_file(before.alerts), alert_references=()
    )


def _of_file(published: tuple[_Said, ...]) -> tuple[_Said, ...]:
    return tuple(each for each in published if each.origin != COMMAND)


def _file_says(home: Home) -> _File:
    if not home.config.is_file():
        return _File(Config())
    try:
        config = load_config(home, home.config, prices=False)
        return _File(config, has_markup=config.has_markup)
    except FareboxError as error:
        before = _published(home)
        kept = _with_published(home, Config(keys=before.configured))
        return _File(kept, tuple(str(error).splitlines()), has_markup=bool(before.by_pricing))


def _published(home: Home) -> Snapshot:
    try:
        return decode(home.snapshot.read_bytes())
    except (OSError, ValueError):
        return Snapshot()


def _replace(home: Home, snapshot: Snapshot, began_ns: int) -> Snapshot:
    """Write the snapshot. Its time says from when on what it is made of is new to it."""
    from farebox.errors import ControlUnwritableError

    content = encode(snapshot)
    try:
        if not _is_published(home, content):
            replace_private(home.snapshot, content, durable=True)
    except OSError as error:
        raise ControlUnwritableError(
            f"{home.snapshot} cannot be written: {error.strerror or error}"
        ) from error
    with contextlib.suppress(OSError):
        os.utime(home.snapshot, ns=(began_ns, began_ns))
    return snapshot
