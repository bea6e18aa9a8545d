"""`farebox portal`: links that open a customer's own pages, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.config.settings import duration, duration_text
from farebox.errors import UsageError
from farebox.program import command
from farebox.server.api.portal_links.portal_link_views import (
    PortalLink,
    link_address,
    link_view,
    links_view,
    portal_url,
)

app = App(name="portal", help="Give customers a link to their own usage, charges and invoices.")

_COLUMNS = [
    Column("customer"),
    Column("state"),
    Column("last used", drop=2),
    Column("made", drop=1),
    Column("id"),
]


class PortalLinksAnswer(msgspec.Struct, kw_only=True):
    """`farebox portal list --json`, and of `revoke`: the links that it took out of force."""

    schema: str = "farebox.portal-links/1"
    links: list[PortalLink]


class PortalLinkAnswer(msgspec.Struct, kw_only=True):
    """`farebox portal link --json`."""

    schema: str = "farebox.portal-link/1"
    link: PortalLink
    url: str
    """What to give to the customer. It cannot be shown again."""


@app.command(name="link")
def make_link(
    customer: Annotated[str, Parameter(help="Whose pages it opens.")],
    /,
    *,
    expires: Annotated[str, Parameter(name="--for", help="After how long it ends, as 12h or 90d.")] = "30d",
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Make a link for a customer and print it, once. It shows and changes nothing else."""
    from farebox.billing.portal_links import create_link
    from farebox.control import audit

    chosen = place or Place()
    home = chosen.state()
    expires_s = _seconds(expires)
    base = portal_url(home, chosen.configuration(home))
    if base is None:
        raise UsageError(
            f"there is no portal: add `portal: {{listen: 127.0.0.1:3276}}` to {home.config}, and then type: "
            f"{command('up', home)}"
        )
    publish_home(home)
    now = now_ns()
    made, secret = create_link(home, customer, audit.command_line(), now, expires_s=expires_s)
    shown = link_view(made, now)
    if as_json:
        print_json(PortalLinkAnswer(link=shown, url=link_address(base, secret)))
        return OK
    print(link_address(base, secret))
    print(
        f"This is shown once. Whoever has it sees what {clean(customer)} used and is charged, until "
        f"{_minute(shown.expires_at)}."
    )
    print(f"Take it back:  {command(f'portal revoke {shown.id}', home)}")
    return OK


@app.command(name="list")
@app.default
def list_links(
    *,
    customer: Annotated[str | None, Parameter(help="Only this customer's.")] = None,
    ended: Annotated[
        bool, Parameter(name="--all", help="Also revoked and expired ones.", negative="")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List the links in force, with when each was last used."""
    from farebox.billing.portal_links import known_links

    home = (place or Place()).state_to_read()
    found = links_view(known_links(home, customer), now_ns()).links
    shown = [each for each in found if ended or each.state == "active"]
    if as_json:
        print_json(PortalLinksAnswer(links=shown))
        return OK
    if not shown:
        print(f"There is no link{'' if ended else ' in force'}. Make one:")
        print(f"  {command('portal link CUSTOMER', home)}")
        return OK
    print(table(_COLUMNS, [_cells(each) for each in shown]))
    return OK


@app.command
def revoke(
    id: Annotated[str | None, Parameter(help="The link's id, or the start of it.")] = None,
    /,
    *,
    customer: Annotated[str | None, Parameter(help="Every link of this customer.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Take a link, or all links of a customer, out of force: the next request is refused."""
    from farebox.billing.portal_links import revoke_links
    from farebox.control import audit

    if (id is None) == (customer is None):
        raise UsageError("say which: the start of a link's id, or --customer NAME for all of a customer's")
    home = (place or Place()).state()
    now = now_ns()
    gone = revoke_links(home, audit.command_line(), now, id=id, customer=customer)
    if not gone:
        which = f"whose id begins with {id!r}" if id is not None else f"of {customer!r}"
        raise UsageError(f"there is not one link in force {which}; see: {command('portal list', home)}")
    if as_json:
        revoked = [msgspec.structs.replace(each, revoked_at=now) for each in gone]
        print_json(PortalLinksAnswer(links=links_view(revoked, now).links))
        return OK
    for each in gone:
        print(f"{each.id} of {clean(each.binding['customer'])} is revoked: its next request is refused.")
    return OK


def _seconds(text: str) -> int:
    from farebox.billing.portal_links import EXPIRES_MAX_S

    try:
        return duration(60, EXPIRES_MAX_S)(text, Path())
    except ValueError:
        limits = f"1m to {duration_text(EXPIRES_MAX_S)}"
        raise UsageError(f"--for {text}: a duration of {limits}, as 12h or 90d") from None


def _cells(link: PortalLink) -> list[str]:
    end = f"until {_minute(link.expires_at)}"
    if link.state == "expired":
        end = f"expired {_minute(link.expires_at)}"
    elif link.revoked_at is not None:
        end = f"revoked {_minute(link.revoked_at)}"
    used = _minute(link.last_used_at) if link.last_used_at else "never"
    return [clean(link.customer), end, used, _minute(link.created_at), link.id]


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]}Z"
