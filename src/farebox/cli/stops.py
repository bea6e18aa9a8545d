"""`farebox stop-session` and `farebox stops`: refuse the calls of a session, a key or a process."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.budgets.budget import Stop
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.config.sections import FINGERPRINT
from farebox.errors import UsageError
from farebox.home import Home
from farebox.nearest import did_you_mean
from farebox.program import command
from farebox.server.api.limits.budget_views import StopState, stop_view, stops_view
from farebox.snapshot import Snapshot, read_snapshot
from farebox.wire.keys import without_keys

app = App(name="stops", help="List what is refused by command, and let it pass again.")

Session = Annotated[str | None, Parameter(help="The session.")]
Key = Annotated[str | None, Parameter(help="Instead: this API key, by its label or fingerprint.")]
Process = Annotated[int | None, Parameter(help="Instead: this process, by its number.")]


class StopsAnswer(msgspec.Struct, kw_only=True):
    """`farebox stops --json`."""

    schema: str = "farebox.stops/1"
    stops: list[StopState]


class StopAnswer(msgspec.Struct, kw_only=True):
    """`farebox stop-session --json` and `farebox stops lift --json`."""

    schema: str = "farebox.stop/1"
    stop: StopState
    changed: bool
    """False where it was so already."""


def stop_session(
    session: Session = None,
    /,
    *,
    key: Key = None,
    process: Process = None,
    reason: Annotated[str, Parameter(help="Why, for whoever's calls are refused.")] = "",
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Refuse further calls of a session, a key or a process, until `stops lift`.

    Calls in flight end as they would. Refused ones get status 429 with the reason, and are not sent.
    """
    home = (place or Place()).state()
    dimension, value = _what(session, key, process, read_snapshot(home))
    said, is_new = stop_now(home, dimension, value, reason)
    if as_json:
        print_json(StopAnswer(stop=stop_view(said), changed=is_new))
        return OK
    already = "" if is_new else " It was stopped already; the reason is the new one."
    print(f"{_name(dimension, value)} is stopped: its calls are refused within two seconds.{already}")
    print(f"To let them pass again: {command(f'stops lift {_flags(dimension, value)}')}")
    return OK


def stop_now(home: Home, dimension: str, value: str, reason: str) -> tuple[Stop, bool]:
    """Refuse the calls of a session, a key or a process from now on; tell whether that is new.

    Raises:
        UsageError: The reason is too long, or looks like a key.
    """
    from farebox.control import audit
    from farebox.control.budget_changes import REASON_MAX, stop_calls

    if without_keys(reason) != reason:
        raise UsageError("the reason contains what looks like an API key")
    if len(reason) > REASON_MAX:
        raise UsageError(f"a reason has at most {REASON_MAX} characters")
    now = now_ns()
    said = Stop(dimension=dimension, value=value, reason=reason, since_ns=now, by=audit.command_line())
    return said, stop_calls(home, said, now)


@app.command(name="list")
@app.default
def list_stops(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List what is refused, the newest first."""
    found = stops_view(read_snapshot((place or Place()).state_to_read())).stops
    if as_json:
        print_json(StopsAnswer(stops=found))
        return OK
    if not found:
        print(f"Nothing is stopped. To stop a session: {command('stop-session ID')}")
        return OK
    columns = [Column("stopped"), Column("since"), Column("by", drop=2), Column("reason", width_min=10)]
    rows = [
        [_name(each.dimension, each.value), f"{each.since[:10]} {each.since[11:16]}Z", each.by, each.reason]
        for each in found
    ]
    print(table(columns, [[clean(cell) for cell in row] for row in rows]))
    return OK


@app.command
def lift(
    session: Session = None,
    /,
    *,
    key: Key = None,
    process: Process = None,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.", negative="")] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Let the calls of a session, a key or a process pass again."""
    home = (place or Place()).state()
    published = read_snapshot(home)
    dimension, value = _what(session, key, process, None)
    found = next(
        (each for each in published.stops if (each.dimension, each.value) == (dimension, value)), None
    )
    if found is None:
        values = [each.value for each in published.stops if each.dimension == dimension]
        raise UsageError(f"{_name(dimension, value)} is not stopped{did_you_mean(value, values)}")
    why = f" It was stopped for: {clean(found.reason)}." if found.reason else ""
    if not yes and not is_confirmed(f"Let {_name(dimension, value)} make calls again?{why}", as_json=as_json):
        raise UsageError(
            f"nothing was lifted; to lift it: {command(f'stops lift {_flags(dimension, value)} --yes')}"
        )
    from farebox.control import audit
    from farebox.control.budget_changes import lift_stop

    lifted = lift_stop(home, dimension, value, audit.command_line(), now_ns())
    if as_json:
        print_json(StopAnswer(stop=stop_view(found), changed=lifted))
    else:
        print(f"{_name(dimension, value)} may make calls again, within two seconds.")
    return OK if lifted else ANSWER_IS_NO


def _what(
    session: str | None, key: str | None, process: int | None, published: Snapshot | None
) -> tuple[str, str]:
    """Return the dimension and value that are meant; a key's name is checked where `published` is given."""
    given = [
        (dimension, str(value))
        for dimension, value in (("session", session), ("key", key), ("process", process))
        if value is not None
    ]
    if len(given) != 1:
        raise UsageError("name one of: a session, --key or --process")
    dimension, value = given[0]
    if not value.strip() or len(value) > 256:
        raise UsageError(f"a {dimension} has 1 to 256 characters")
    if without_keys(value) != value:
        raise UsageError(f"that looks like an API key; name its label or fingerprint: {command('keys')}")
    if dimension == "process" and int(value) <= 0:
        raise UsageError(f"{value} is no number of a process")
    if dimension == "key" and published is not None:
        labels = [each.label for each in published.keys().values() if each.label]
        if value not in labels and not FINGERPRINT.fullmatch(value):
            raise UsageError(
                f"no key is called {value!r}{did_you_mean(value, labels)}; see: {command('keys')}"
            )
    return dimension, value


def _name(dimension: str, value: str) -> str:
    return f"{dimension} {clean(value)}"


def _flags(dimension: str, value: str) -> str:
    import shlex

    quoted = shlex.quote(value)
    return quoted if dimension == "session" else f"--{dimension} {quoted}"
