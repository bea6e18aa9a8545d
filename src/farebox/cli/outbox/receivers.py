"""`farebox outbox receivers`: who is told what happens, and where."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from cyclopts import App, Parameter

from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.errors import ControlUnwritableError, UsageError
from farebox.program import command
from farebox.server.api.outbox.outbox_views import OutboxReceiver, outbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.alerts.alert import Alert
    from farebox.channels.settings import Form
    from farebox.control.outbox.envelope import Envelope
    from farebox.control.outbox.trial import TrialOutcome
    from farebox.home import Home

_Found = TypeVar("_Found")

app = App(name="receivers", help="Name who receives messages; test, resume, remove them.")
Name = Annotated[str, Parameter(help="The receiver's name.")]


class ReceiversAnswer(msgspec.Struct, kw_only=True):
    """`farebox outbox receivers --json`."""

    schema: str = "farebox.outbox-receivers/1"
    receivers: list[OutboxReceiver]


class SecretAnswer(msgspec.Struct, kw_only=True):
    """`farebox outbox receivers add --json`, `set --json` and `rotate --json`."""

    schema: str = "farebox.outbox-secret/1"
    receiver: str
    origin: str
    """Of its URL, without the path."""
    kinds: list[str]
    said_by: str
    """`command`, `file` or `both`; `farebox.yaml` goes before a command."""
    secret: str
    """Where the signing secret is."""
    made: str | None
    """The secret itself, where it was made now; it cannot be shown again."""


@app.command(name="list", help="List the receivers.")
@app.default
def list_receivers(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List who receives messages, of which kinds, and whether it is stopped."""
    home = (place or Place()).state_to_read()
    take_over_file(home)
    found = outbox(home, limit=1).receivers
    if as_json:
        print_json(ReceiversAnswer(receivers=found))
        return OK
    if not found:
        print(nobody_is_told(home))
        return OK
    columns = [
        Column("name"),
        Column("to"),
        Column("kinds", drop=2),
        Column("secret", drop=3, width_max=50),
        Column("named by", drop=4),
        Column("state", width_max=70, width_min=10),
    ]
    rows = [
        [
            each.name,
            each.origin,
            ", ".join(each.kinds),
            each.secret,
            {"both": "farebox.yaml, before a command", "file": "farebox.yaml"}.get(each.said_by, "command"),
            each.state if each.reason is None else f"{each.state}: {each.reason}",
        ]
        for each in found
    ]
    print(table(columns, rows))
    return OK


@app.command
def add(
    name: Annotated[str, Parameter(help="What to call it: a-z, 0-9, `-` and `_`.")],
    url: Annotated[str, Parameter(help="Where to POST: https, or http to localhost or a private address.")],
    /,
    *,
    kind: Annotated[
        list[str] | None,
        Parameter(help="What it is told: prices.updated, prices.*; everything by default.", negative=""),
    ] = None,
    address: Annotated[
        str | None, Parameter(help="Where the URL's host really is, for one with a private address.")
    ] = None,
    secret_env: Annotated[str | None, Parameter(help="Environment variable with its signing secret.")] = None,
    secret_file: Annotated[Path | None, Parameter(help="File (0600) with its signing secret.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Add a receiver of webhooks, or change it. Without a secret one is made, and shown once."""
    from farebox.config.webhooks_section import RECEIVER_NAME, subscription_problem
    from farebox.control.outbox import receivers, signing_secrets
    from farebox.control.outbox.envelope import ReceiverSettings
    from farebox.outbound.destination import destination

    if not RECEIVER_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a receiver: a-z, 0-9, `-` and `_`")
    try:
        to = destination(url, address)
    except ValueError as error:
        raise UsageError(f"nothing is sent to that URL; it has to be {error}") from None
    kinds = tuple(kind or ("*",))
    for each in kinds:
        if (problem := subscription_problem(each)) is not None:
            raise UsageError(f"{each!r} is nothing to subscribe to: {problem}")
    if secret_env is not None and secret_file is not None:
        raise UsageError("the secret is in an environment variable or in a file, not in both")
    home = (place or Place()).state()
    secret, shown = _secret_of(home, name, secret_env, secret_file)
    said = ReceiverSettings(url=url, address=address, kinds=kinds, secret=secret)
    _change(home, "receiver.add", name, lambda connection: receivers.add(connection, name, said, now_ns()))
    found = _shown(home, name)
    if as_json:
        print_json(_secret_answer(found, shown))
        return OK
    if found.said_by == "both":
        print(f"{name} stays as farebox.yaml says, at {found.origin}; this applies without that entry.")
    else:
        print(f"{name} is told {', '.join(kinds) if kind else 'everything'}, at {to.origin}.")
    print(f"Its signing secret is {signing_secrets.words(secret)}.")
    if shown is not None:
        print(f"Give it to the receiver; it is shown this once:  {shown}")
    print(f"Send a test:  {command(f'outbox receivers test {name}')}")
    return OK


@app.command(name="set")
def set_channel(
    name: Annotated[str, Parameter(help="What to call it: a-z, 0-9, `-` and `_`.")],
    definition: Annotated[
        str, Parameter(help="As under `channels:` in farebox.yaml: `slack: {env: SLACK_WEBHOOK_URL}`.")
    ],
    /,
    *,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Set a channel of any form: Slack, Discord, Teams, e-mail, PagerDuty, ntfy, desktop or webhook.

    A secret is in an environment variable of the server or in a file (0600): others see a command line.
    """
    from farebox.config.channels_section import read_channel
    from farebox.config.webhooks_section import RECEIVER_NAME
    from farebox.control.outbox import receivers, signing_secrets
    from farebox.errors import ConfigError
    from farebox.yamltext import parse

    if not RECEIVER_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a receiver: a-z, 0-9, `-` and `_`")
    node, findings = parse(definition, "the definition")
    channel = None if node is None or findings else read_channel(name, node, findings)
    if channel is None:
        raise ConfigError(findings)
    for each in (channel.secret, channel.token):
        if each is not None and each.kind == "file":
            each.secret()  # as it is used: what cannot be read is told now
        elif each is not None:
            say(f"the server reads {each.place} from its own environment: start Farebox where it is set")
    home = (place or Place()).state()
    said = signing_secrets.configured_settings(channel)
    _change(home, "receiver.set", name, lambda connection: receivers.add(connection, name, said, now_ns()))
    found = _shown(home, name)
    if as_json:
        print_json(_secret_answer(found, None))
        return OK
    if found.said_by == "both":
        print(f"{name} stays as farebox.yaml says, at {found.origin}; this applies without that entry.")
    else:
        print(f"{name} is a channel: {found.origin}. An alert tells it with  --to {name}")
    print(f"Send a test:  {command(f'outbox receivers test {name}')}")
    return OK


@app.command
def remove(name: Name, /, *, place: Place | None = None) -> int:
    """Remove a receiver; what waits for it is cancelled."""
    from farebox.control.outbox import receivers, signing_secrets

    home = _known(place)
    gone = _change(home, "receiver.remove", name, lambda connection: receivers.remove(connection, name))
    signing_secrets.remove_secret(home, name)
    if gone:
        print(f"{name} is removed, and what waited for it is cancelled.")
        return OK
    print(f"{name} stays: farebox.yaml names it, and a command does not change that file. Remove it there.")
    return ANSWER_IS_NO


@app.command
def resume(name: Name, /, *, place: Place | None = None) -> int:
    """Send to a stopped receiver again, what waits for it first."""
    from farebox.control.outbox import receivers

    _change(_known(place), "receiver.resume", name, lambda connection: receivers.resume(connection, name))
    print(f"{name} is active.")
    return OK


@app.command
def rotate(
    name: Name,
    /,
    *,
    finish: Annotated[
        bool, Parameter(help="Sign with the new secret only: the receiver has it.", negative="")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Make a new signing secret. The old one signs, too, until `--finish`."""
    from farebox.control.outbox import signing_secrets

    home = _known(place)
    found = _shown(home, name)
    if found.secret != signing_secrets.words({signing_secrets.MADE: name}):
        raise UsageError(
            f"no secret of {name} was made by {command('outbox receivers add')}: put the new one in place of "
            "yours, with the old one behind it after a space until the receiver has the new one"
        )
    if finish:
        gone = signing_secrets.forget_old_secret(home, name)
        if as_json:
            print_json(_secret_answer(found, None))
            return OK
        print(f"{name} is signed with the new secret only." if gone else f"{name} has only one secret.")
        return OK
    _, made = signing_secrets.make_secret(home, name, keeping=True)
    if as_json:
        print_json(_secret_answer(found, made))
        return OK
    print(f"Give it to the receiver; it is shown this once:  {made}")
    print(f"Both sign until you type:  {command(f'outbox receivers rotate {name} --finish')}")
    return OK


@app.command
def test(name: Name, /, *, place: Place | None = None) -> int:
    """Send a `farebox.test` message to a receiver, whatever it subscribed to, and say whether it arrived."""
    home = _known(place)
    found = try_receiver(home, name)
    print(trial_words(found))
    return OK if found.outcome in ("arrived", "waits") else ANSWER_IS_NO


def try_receiver(home: Home, name: str, alert: Alert | None = None) -> TrialOutcome:
    """Send a test to a receiver, or an alert's, and return how it was received.

    Raises:
        UsageError: There is no such receiver.
    """
    from farebox.cli.daemon.running import running
    from farebox.control import audit
    from farebox.control.database import open_control
    from farebox.control.outbox.trial import send_test

    is_running = running(home, "server") is not None
    actor = audit.command_line()
    now = now_ns()

    def of_form(form: Form) -> Envelope:
        from farebox.alerts.sample import sample

        assert alert is not None  # noqa: S101 - only then it is asked
        return sample(alert, form, now, cause=actor)

    return send_test(
        open_control(home),
        name,
        now_ns=now,
        actor=actor,
        is_running=is_running,
        of_form=None if alert is None else of_form,
    )


def trial_words(found: TrialOutcome) -> str:
    """Return how a test was received, and what to do about it."""
    name, why = found.receiver, clean(found.reason)
    if found.outcome == "arrived":
        return f"{found.id} has arrived at {name}."
    if found.outcome == "waits":
        return f"{found.id} waits: it is sent once Farebox runs. Start it:  {command('up')}"
    resume = command(f"outbox receivers resume {name}")
    if found.outcome == "stopped":
        return f"{name} is stopped: {why}. It is sent after:\n  {resume}"
    said = f"{found.id} has not arrived at {name}: {why}"
    if found.is_stopped:  # it replied 410: nothing is sent until somebody says so
        return f"{said}\n{name} is stopped by that. Go on:  {resume}"
    return f"{said}\nIt is tried again. See:  {command(f'outbox show {found.id}')}"


def nobody_is_told(home: Home) -> str:
    """Return what to do where no receiver is named."""
    return (
        "Nobody is told anything yet: no receiver is named.\n"
        f"Name one:  {command('outbox receivers add NAME URL')}\n"
        f"or under `webhooks:` in {home.config}"
    )


def _shown(home: Home, name: str) -> OutboxReceiver:
    """Return a receiver as lists show it, or raise `UsageError` where there is none of that name."""
    from farebox.control.database import open_control
    from farebox.control.outbox.receivers import receiver_named

    with open_control(home).reading() as connection:
        receiver_named(connection, name)
    return next(each for each in outbox(home, limit=1).receivers if each.name == name)


def _secret_answer(found: OutboxReceiver, made: str | None) -> SecretAnswer:
    return SecretAnswer(
        receiver=found.name,
        origin=found.origin,
        kinds=list(found.kinds),
        said_by=found.said_by,
        secret=found.secret,
        made=made,
    )


def _secret_of(
    home: Home, name: str, env: str | None, file: Path | None
) -> tuple[dict[str, str], str | None]:
    """Return where a receiver's secret is, and what is to be shown once: one that is made here."""
    from farebox.channels import webhook
    from farebox.control.outbox import signing_secrets

    if env is not None:
        say(f"the server reads {env} from its own environment: start Farebox where it is set")
        return {"env": env}, None
    if file is not None:
        reference = {"file": str(file.expanduser().absolute())}
        try:
            webhook.signing_keys(signing_secrets.secret_text(home, reference))
        except ValueError as error:
            raise UsageError(f"{file}: {error}") from None
        return reference, None
    reference = {signing_secrets.MADE: name}
    if signing_secrets.is_made(home, name):
        return reference, None  # the receiver knows it
    _, made = signing_secrets.make_secret(home, name)
    return reference, made


def _known(place: Place | None) -> Home:
    """Return a home whose file's receivers are in its control database."""
    home = (place or Place()).state()
    take_over_file(home)
    return home


def take_over_file(home: Home) -> None:
    """Let an edit of farebox.yaml count at once, where no server has noticed it yet."""
    from farebox.control.publish import publish

    with contextlib.suppress(ControlUnwritableError):  # whoever may only look sees what is there
        publish(home)


def _change(home: Home, action: str, name: str, do: Callable[[Connection], _Found]) -> _Found:
    """Change a receiver, and note in the audit who did."""
    from farebox.control import audit
    from farebox.control.publish import change

    with change(home) as connection:
        done = do(connection)
        audit.note(connection, now_ns(), audit.command_line(), action, name)
    return done
