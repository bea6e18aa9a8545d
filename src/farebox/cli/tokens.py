"""`farebox tokens`: what programs and people show to a Farebox that others reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from farebox.access.roles import Scope
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, table
from farebox.clock import iso, now_ns
from farebox.config.settings import duration, duration_text
from farebox.errors import UsageError
from farebox.program import command

if TYPE_CHECKING:
    from farebox.control.tokens import Token

app = App(name="tokens", help="Create, list and revoke the tokens that other machines show.")

_EXPIRES_MAX_S = 3650 * 86_400

_COLUMNS = [
    Column("name"),
    Column("scope"),
    Column("whose calls", drop=2),
    Column("state"),
    Column("last used", drop=3),
    Column("id", drop=1),
]
_FOR: dict[Scope, str] = {
    "client": "calls through the proxy",
    "read": "looking, with the API",
    "admin": "everything, with the API",
    "ingest": "sending events",
    "portal": "a customer's own page",
}

Words = Annotated[str, Parameter(help="Its name, or the start of its id.")]


@app.command
def create(
    name: Annotated[str, Parameter(help="What to call it.")],
    /,
    *,
    scope: Annotated[Scope, Parameter(help="What it may: `client` uses the proxy, `read` sees the record.")],
    expires: Annotated[str | None, Parameter(help="After how long it ends, as 12h or 90d.")] = None,
    customer: Annotated[str | None, Parameter(help="Whose calls are made with it: this customer's.")] = None,
    user: Annotated[str | None, Parameter(help="This user's.")] = None,
    project: Annotated[str | None, Parameter(help="This project's.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Create a token and print it, once."""
    said = {"customer": customer, "user": user, "project": project}
    binding = {key: value for key, value in said.items() if value is not None}
    now = now_ns()
    expires_at = None if expires is None else now + _seconds(expires) * 10**9
    from farebox.control import audit
    from farebox.control.token_changes import create_token

    actor = audit.command_line()
    home = (place or Place()).state()
    made, secret = create_token(home, name, scope, actor, now, expires_at=expires_at, binding=binding)
    if as_json:
        json_shapes.print_json(json_shapes.TokenCreatedAnswer(token=_answer(made, now), secret=secret))
    else:
        print(secret)
        until = f" until {iso(expires_at)[:16]}Z" if expires_at is not None else ""
        print(f"This is shown once. {name} may be used in two seconds' time{until}, for {_FOR[scope]}.")
        if binding:
            print(f"Its calls are those of {', '.join(f'{key} {value}' for key, value in binding.items())}.")
        print(_how_to_use(scope))
    return 0


@app.command(name="list")
@app.default
def list_tokens(
    *,
    revoked: Annotated[
        bool, Parameter(name="--all", help="Also revoked and expired ones.", negative="")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List the tokens in force, with when each was last used."""
    home = (place or Place()).state_to_read()
    now = now_ns()
    from farebox.control.token_changes import known_tokens

    answers = [_answer(each, now) for each in known_tokens(home)]
    shown = [each for each in answers if revoked or each.state == "active"]
    if as_json:
        json_shapes.print_json(json_shapes.TokensAnswer(tokens=shown))
        return 0
    if not shown:
        print(f"There is no token{'' if revoked else ' in force'}. Create one:")
        print(f"  {command('tokens create NAME --scope client')}")
        return 0
    print(table(_COLUMNS, [_cells(each) for each in shown]))
    return 0


@app.command
def revoke(name: Words, /, *, place: Place | None = None) -> int:
    """Take a token out of force; every process refuses it within seconds."""
    from farebox.control import audit
    from farebox.control.token_changes import revoke_token

    see = command("tokens list --all")
    found = revoke_token((place or Place()).state(), name, audit.command_line(), now_ns(), see)
    print(f"{found.name} is revoked: requests with it are refused within two seconds.")
    return 0


def _seconds(text: str) -> int:
    from pathlib import Path

    try:
        return duration(60, _EXPIRES_MAX_S)(text, Path())
    except ValueError:
        limits = f"1m to {duration_text(_EXPIRES_MAX_S)}"
        raise UsageError(f"--expires {text}: a duration of {limits}, as 12h or 90d") from None


def _answer(token: Token, now: int) -> json_shapes.TokenAnswer:
    from farebox.control.token_changes import state_of

    return json_shapes.TokenAnswer(
        id=token.id,
        name=token.name,
        scope=token.scope,
        state=state_of(token, now),
        customer=token.binding.get("customer"),
        user=token.binding.get("user"),
        project=token.binding.get("project"),
        created_at=iso(token.created_at),
        expires_at=_iso(token.expires_at),
        revoked_at=_iso(token.revoked_at),
        last_used_at=_iso(token.last_used_at),
    )


def _iso(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)


def _cells(token: json_shapes.TokenAnswer) -> list[str]:
    bound = [f"{key} {value}" for key in ("customer", "user", "project") if (value := getattr(token, key))]
    if token.revoked_at is not None:
        end = f"revoked {_minute(token.revoked_at)}"
    elif token.expires_at is not None:
        end = f"{'expired' if token.state == 'expired' else 'until'} {_minute(token.expires_at)}"
    else:
        end = "in force"
    used = _minute(token.last_used_at) if token.last_used_at else "never"
    return [clean(token.name), token.scope, clean(", ".join(bound)), end, used, token.id]


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]}Z"


def _how_to_use(scope: Scope) -> str:
    if scope == "client":
        return (
            "Send it as the header x-farebox-token, or as the user of an HTTPS proxy: "
            "https_proxy=https://TOKEN@HOST:PORT"
        )
    return "Send it as the header Authorization: Bearer TOKEN"
