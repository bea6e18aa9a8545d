"""`farebox exports add`, `remove`, `pause` and `resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.exports.export_list import Name, known, print_status
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.clock import now_ns
from farebox.errors import ConfigError, Finding, UsageError
from farebox.home import Home
from farebox.program import command
from farebox.yamltext import Node

To = Literal["stripe", "lago", "openmeter", "orb", "metronome"]
_COMMAND = "the command"


def add(
    name: Annotated[str, Parameter(help="What to call it: a-z, 0-9, `-` and `_`.")],
    /,
    *,
    to: Annotated[To, Parameter(help="Whose API it is.")],
    key_env: Annotated[str | None, Parameter(help="Environment variable with the API key.")] = None,
    key_file: Annotated[Path | None, Parameter(help="File (0600) with the API key.")] = None,
    url: Annotated[str | None, Parameter(help="Base of the API, for an installation of your own.")] = None,
    address: Annotated[
        str | None, Parameter(help="Where the URL's host really is, for one with a private address.")
    ] = None,
    customer: Annotated[
        list[str] | None,
        Parameter(help="A customer's name there: acme=cus_Q1w2E3r4; repeated.", negative=""),
    ] = None,
    unmapped: Annotated[
        Literal["hold", "same"] | None,
        Parameter(help="Other customers' usage: hold it until they have a name, or send it under ours."),
    ] = None,
    granularity: Annotated[
        Literal["call", "hour", "day"] | None, Parameter(help="What an event is of; an hour by default.")
    ] = None,
    meter: Annotated[
        list[str] | None,
        Parameter(help="A quantity's name there: output_tokens=llm_output; repeated.", negative=""),
    ] = None,
    event: Annotated[
        str | None, Parameter(help="The kind of event there, where quantities are its properties.")
    ] = None,
    since: Annotated[
        str | None,
        Parameter(
            help="Hand over calls from this day on: 2026-11-01, or `all`; what comes from now on else."
        ),
    ] = None,
    max_age: Annotated[
        str | None, Parameter(help="Usage that is older when it is sent is dated then: 12h, 35d, none.")
    ] = None,
    id_memory: Annotated[
        str | None, Parameter(help="How long the receiver knows ids: 24h, 32d, 0, none for ever.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Add an export of usage, or change it: what is not said is as usual for the receiver."""
    from farebox.cli.exports.export_changes import changes
    from farebox.config.exports_section import read_export
    from farebox.config.webhooks_section import RECEIVER_NAME

    if not RECEIVER_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for an export: a-z, 0-9, `-` and `_`")
    if (key_env is None) == (key_file is None):
        raise UsageError("the key is in an environment variable (--key-env) or in a file (--key-file)")
    reference = {"env": key_env} if key_env is not None else {"file": str(_absolute(key_file))}
    entry = {
        to: _mapping(reference, to),
        "customers": _pairs(customer, "customer"),
        "meters": _pairs(meter, "meter"),
    }
    texts = {"url": url, "address": address, "unmapped": unmapped, "granularity": granularity}
    texts |= {"event": event, "since": since, "max_age": max_age, "id_memory": id_memory}
    entry |= {key: None if text is None else _node(text, key) for key, text in texts.items()}
    findings: list[Finding] = []
    node = _node({key: each for key, each in entry.items() if each is not None}, name)
    said = read_export(name, node, findings)
    if said is None or findings:
        raise ConfigError(findings)
    home = _home(place)
    changes(home, now_ns()).put(said)
    if key_env is not None:
        say(f"the server reads {key_env} from its own environment: start Farebox where it is set")
    found = known(home, name)
    if as_json:
        print_status(found)
        return OK
    if found.export.said_by == "both":
        print(f"{name} stays as farebox.yaml says; this applies without that entry.")
    else:
        print(f"{name} hands usage over to {to}, at {found.export.origin}.")
    print(f"See whether it knows the key:  {command(f'exports test {name}')}")
    return OK


def remove(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Remove an export. How far it is stays known: added again under its name, it goes on from there."""
    from farebox.cli.exports.export_changes import changes
    from farebox.cli.exports.export_list import list_exports

    home = _home(place)
    gone = changes(home, now_ns()).remove(name)
    if as_json:
        return list_exports(place=place, as_json=True) or (OK if gone else ANSWER_IS_NO)
    if gone:
        print(f"{name} is removed, and what waited for it is cancelled.")
        return OK
    print(f"{name} stays: farebox.yaml names it, and a command does not change that file. Remove it there.")
    return ANSWER_IS_NO


def pause(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Send nothing, and follow the record no further, until it is resumed."""
    from farebox.cli.exports.export_changes import changes

    home = _home(place)
    changes(home, now_ns()).pause(name)
    return _shown(home, name, f"{name} is paused. Go on:  {command(f'exports resume {name}')}", as_json)


def resume(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Go on from where it was paused or stopped; nothing is left out."""
    from farebox.cli.exports.export_changes import changes

    home = _home(place)
    changes(home, now_ns()).resume(name)
    return _shown(home, name, f"{name} is active.", as_json)


def _shown(home: Home, name: str, words: str, as_json: bool) -> int:
    if as_json:
        print_status(known(home, name))
    else:
        print(words)
    return OK


def _home(place: Place | None) -> Home:
    home = (place or Place()).state()
    publish_home(home)
    return home


def _absolute(file: Path | None) -> Path:
    return (file or Path()).expanduser().absolute()


def _node(value: str | dict[str, Node], key: str) -> Node:
    return Node(value, _COMMAND, 0, key)


def _mapping(values: dict[str, str], key: str) -> Node:
    return _node({name: _node(text, name) for name, text in values.items()}, key)


def _pairs(said: list[str] | None, flag: str) -> Node | None:
    """Return NAME=VALUE flags as a mapping."""
    if said is None:
        return None
    found: dict[str, str] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise UsageError(f"--{flag} {each!r} is not OURS=THEIRS")
        found[name] = value
    return _mapping(found, f"{flag}s")
