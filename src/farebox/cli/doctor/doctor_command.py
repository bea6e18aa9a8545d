"""`farebox doctor`: try every client of this machine, check the installation, say what to do.

Every check is one line with ✔ or ✘ and, where it failed, the one thing to do. Nothing leaves the machine:
clients are tried against a mock provider behind a proxy of its own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import ANSWER_IS_NO, DATA, OK, UNWRITABLE
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import GREEN, RED, paint


class Check(msgspec.Struct):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str = ""
    fix: str | None = None


class DoctorAnswer(msgspec.Struct):
    """What `farebox doctor --json` prints."""

    ok: bool
    clients: list[Check]
    installation: list[Check]
    schema: str = "farebox.doctor/1"


def doctor(
    *,
    clients: Annotated[bool, Parameter(help="Try the clients; it takes a few seconds each.")] = True,
    retry: Annotated[
        bool, Parameter(help="Forget pinned clients, so that each is intercepted again.", negative="")
    ] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Try every client of this machine and check the installation; 0 only if all is well."""
    from farebox.cli.doctor.checks import LEDGER, STATE, check_installation

    chosen = place or Place()
    if retry:
        from farebox.proxy.intercept.pinning_clients import forget_pins

        forget_pins(chosen.state().run / "pinned")
    installation = check_installation(chosen)
    tried: list[Check] = []
    if clients:
        from farebox.cli.doctor.clients import try_clients

        tried = try_clients()
    answer = DoctorAnswer(
        ok=all(check.ok for check in (*tried, *installation)), clients=tried, installation=installation
    )
    if as_json:
        json_shapes.print_json(answer)
    else:
        print(render(answer))
    failed = {check.name for check in installation if not check.ok}
    if STATE in failed:
        return UNWRITABLE
    if LEDGER in failed:
        return DATA
    return OK if answer.ok else ANSWER_IS_NO


def render(answer: DoctorAnswer) -> str:
    """Return the result as the terminal shows it."""
    lines: list[str] = []
    for title, checks in (("Clients", answer.clients), ("Installation", answer.installation)):
        if not checks:
            continue
        lines.append(title)
        for check in checks:
            mark = paint("✔", GREEN) if check.ok else paint("✘", RED)
            lines.append(f"  {mark} {check.name}{f': {check.detail}' if check.detail else ''}")
            if check.fix is not None and not check.ok:
                lines.append(f"      → {check.fix}")
    lines.append("All is well." if answer.ok else "Something needs attention: see ✘ above.")
    return "\n".join(lines)
