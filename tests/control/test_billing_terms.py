"""Customers, plans and subscriptions of the home's file and of commands: stored, versioned, published."""

from __future__ import annotations

from datetime import date

import pytest

from farebox import yamltext
from farebox.charges.plan import Subscription
from farebox.charges.plan_reader import BillingTerms, read_billing_terms
from farebox.control import plans, subscriptions
from farebox.control.billing_terms import Kept, TermsChange, store, term_findings
from farebox.control.database import open_control
from farebox.control.publish import change, publish
from farebox.errors import Finding
from farebox.home import Home
from farebox.snapshot import read_snapshot

TEXT = """customers:
  acme: {name: Acme Inc., currency: USD, timezone: America/New_York, keys: [backend]}
plans:
  pro: {base: "20.00", charges: [{name: Usage, meter: cost, markup_percent: "20"}]}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
"""
DEARER = TEXT.replace("20.00", "25.00")
NOT_BEGUN = TEXT.replace("2026-11-01", "2126-11-01")
DAY_NS = 86_400 * 10**9
NOVEMBER_NS = 1793505600 * 10**9
"""2026-11-01T04:00Z, where the first of November begins in New York."""


def terms_of(text: str) -> BillingTerms:
    root, findings = yamltext.parse(text, "plans.yaml")
    assert root is not None
    found = read_billing_terms(dict(root.items()), findings)
    assert findings == []
    return found


def applied(home: Home, text: str) -> list[TermsChange]:
    """Store a file as a command does."""
    terms = terms_of(text)
    with change(home) as connection:
        kept = Kept.of(connection)
        assert term_findings(kept, terms, 1, of_home=False) == []
        return store(connection, kept, terms, 1, of_home=False)


def refused(home: Home, text: str) -> list[Finding]:
    with open_control(home).reading() as connection:
        return term_findings(Kept.of(connection), terms_of(text), 1, of_home=False)


def published(home: Home) -> list[tuple[str, int, date]]:
    return [(each.plan, each.version, each.start) for each in read_snapshot(home).subscriptions]


def test_the_homes_file_is_stored_and_published_with_its_pinned_version(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    snapshot = read_snapshot(home)
    assert snapshot.problems == ()
    assert [each.name for each in snapshot.customers] == ["Acme Inc."]
    assert [(each.dimension, each.value, each.customer) for each in snapshot.identities] == [
        ("key", "backend", "acme")
    ]
    assert published(home) == [("pro", 1, date(2026, 11, 1))]
    assert [(each.name, each.version) for each in snapshot.plans] == [("pro", 1)]


def test_publishing_the_same_file_again_changes_nothing(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    before = read_snapshot(home)
    publish(home)
    assert read_snapshot(home) == before


def test_an_edit_of_a_used_plan_makes_the_next_version_and_leaves_subscriptions_where_they_are(
    home: Home,
) -> None:
    home.config.write_text(TEXT)
    publish(home)
    home.config.write_text(DEARER + "  - {customer: acme, plan: pro, start: 2027-01-01}\n")
    publish(home)
    assert read_snapshot(home).problems != (), "two subscriptions for one meter"
    assert published(home) == [("pro", 1, date(2026, 11, 1))], "nothing of it is in force"
    ended = DEARER.replace("start: 2026-11-01", "start: 2026-11-01, until: 2027-01-01")
    home.config.write_text(ended + "  - {customer: acme, plan: pro, start: 2027-01-01}\n")
    publish(home)
    assert read_snapshot(home).problems == ()
    assert published(home) == [("pro", 1, date(2026, 11, 1)), ("pro", 2, date(2027, 1, 1))]
    assert [each.base for each in read_snapshot(home).plans] == [20, 25]


def test_a_version_that_a_file_names_moves_its_subscription(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    home.config.write_text(DEARER.replace("start: 2026-11-01", "start: 2026-11-01, version: 2"))
    publish(home)
    assert read_snapshot(home).problems == ()
    assert published(home) == [("pro", 2, date(2026, 11, 1))]


def test_an_edit_of_a_plan_that_nobody_has_used_stays_the_same_version(home: Home) -> None:
    first = TEXT.partition("subscriptions:")[0]
    applied(home, first)
    (changed,) = [each for each in applied(home, first.replace("20.00", "30.00")) if each.kind == "plan"]
    assert (changed.action, changed.version, changed.lines) == ("change", 1, ("base: 20.00 → 30.00",))


def test_what_is_applied_says_which_subscriptions_stay_on_the_old_version(home: Home) -> None:
    applied(home, TEXT)
    (changed,) = [each for each in applied(home, DEARER) if each.kind == "plan"]
    assert changed.version == 2
    assert changed.stay == ("acme since 2026-11-01 (version 1)",)
    assert [each.action for each in applied(home, DEARER)] == ["same", "same", "same"]


def test_what_the_file_no_longer_says_is_removed_and_comes_back_as_it_was(home: Home) -> None:
    home.config.write_text(NOT_BEGUN)
    publish(home)
    with open_control(home).reading() as connection:
        (first,) = subscriptions.subscriptions(connection)
    home.config.unlink()
    publish(home)
    snapshot = read_snapshot(home)
    assert (snapshot.customers, snapshot.subscriptions, snapshot.identities) == ((), (), ())
    home.config.write_text(NOT_BEGUN.replace("20.00", "25.00"))
    publish(home)
    with open_control(home).reading() as connection:
        (again,) = subscriptions.subscriptions(connection)
    assert again.subscription == first.subscription, "the same id, and the version it was on"


def test_a_name_in_the_file_and_of_a_command_is_a_problem_and_the_commands_stays(home: Home) -> None:
    applied(home, TEXT)
    home.config.write_text('customers:\n  acme: {name: Another}\nplans:\n  pro: {base: "1"}\n')
    publish(home)
    problems = read_snapshot(home).problems
    assert len(problems) == 2
    assert all("in one place" in each for each in problems)
    assert [each.name for each in read_snapshot(home).customers] == ["Acme Inc."]


def test_what_the_file_names_cannot_be_applied_from_another_one(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    found = refused(home, TEXT)
    assert [each.key for each in found] == [
        "customers.acme",
        "plans.pro",
        "subscriptions[0]",
        "customers.acme",
    ]
    assert "farebox.yaml:2" in str(found[0])


def test_a_file_that_is_wrong_keeps_what_was_in_force(home: Home) -> None:
    home.config.write_text(TEXT)
    publish(home)
    home.config.write_text(TEXT.replace('markup_percent: "20"', "markup_percent: -3"))
    publish(home)
    assert published(home) == [("pro", 1, date(2026, 11, 1))]
    assert any("markup_percent" in each for each in read_snapshot(home).problems)


def test_a_subscription_is_read_with_its_customer_and_its_version_over_a_time(home: Home) -> None:
    applied(home, TEXT.replace("start: 2026-11-01", "start: 2026-11-01, until: 2026-12-01"))
    with open_control(home).reading() as connection:
        (found,) = subscriptions.subscribed(connection, NOVEMBER_NS, NOVEMBER_NS + DAY_NS)
        assert found.from_ns == NOVEMBER_NS
        assert found.until_ns == NOVEMBER_NS + 30 * DAY_NS + 3600 * 10**9, "the clocks go back that day"
        assert (found.customer.id, found.plan.version, found.terms.base) == ("acme", 1, 20)
        assert subscriptions.subscribed(connection, NOVEMBER_NS - 5, NOVEMBER_NS) == []
        assert subscriptions.subscribed(connection, found.until_ns, found.until_ns + 1) == []
        assert subscriptions.subscribed(connection, NOVEMBER_NS, NOVEMBER_NS + 1, ["other"]) == []


def test_overrides_are_in_the_terms_that_are_charged(home: Home) -> None:
    applied(home, TEXT.replace("start: 2026-11-01", 'start: 2026-11-01, overrides: {base: "5"}'))
    with open_control(home).reading() as connection:
        (found,) = subscriptions.subscribed(connection, NOVEMBER_NS, NOVEMBER_NS + 1)
    assert (found.plan.base, found.terms.base) == (20, 5)


def test_a_key_of_one_customer_cannot_be_another_ones_at_the_same_time(home: Home) -> None:
    applied(home, TEXT)
    (found,) = refused(home, "customers:\n  beta: {keys: [backend]}\n")
    assert "a command gives it to acme" in str(found)


def test_a_changed_price_in_the_database_is_noticed(home: Home) -> None:
    import sqlite3

    from farebox.errors import ControlDamagedError

    applied(home, TEXT)
    with sqlite3.connect(home.control) as connection:
        connection.execute("UPDATE plan_version SET definition = replace(definition, '20.00', '00.00')")
    connection.close()
    with pytest.raises(ControlDamagedError):
        publish(home)


def test_a_plan_that_is_retired_and_set_again_has_the_next_number(home: Home) -> None:
    applied(home, TEXT)
    with change(home) as connection:
        assert plans.retire(connection, "pro", 5)
        assert plans.newest(plans.versions(connection)) == {}
    (changed,) = [each for each in applied(home, DEARER) if each.kind == "plan"]
    assert (changed.action, changed.version) == ("add", 2)


def test_a_subscription_of_a_command_freezes_its_version(home: Home) -> None:
    applied(home, TEXT.partition("subscriptions:")[0])
    said = Subscription(id="s", customer="acme", plan="pro", version=1, start=date(2026, 11, 1))
    with change(home) as connection:
        assert plans.versions(connection)[0].used_at is None
        subscriptions.put(connection, said, "command", 7)
        assert plans.versions(connection)[0].used_at == 7
