"""`farebox ca`: the authority of the proxy that `farebox up` runs, and who trusts it.

`farebox run` needs none of this: only its command is told to trust an authority.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.certificates import authority, bundle, stores
from farebox.certificates.authority import Authority
from farebox.certificates.stores import Store
from farebox.cli.exits import ANSWER_IS_NO, OK, say
from farebox.cli.options import AsJson, Place
from farebox.clock import iso
from farebox.errors import CertificateError
from farebox.home import Home, write_private
from farebox.program import command
from farebox.proxy.intercept.pinning_clients import forget_pins

if TYPE_CHECKING:
    from farebox.config import Config

ENVIRONMENT = "environment"
"""Files that the variables of `env` name, in the authority's folder."""

app = App(name="ca", help="Make, install and remove the certificates that interception needs.")

System = Annotated[bool, Parameter(help="The system's store, which most programs read.", negative="")]
Nss = Annotated[bool, Parameter(help="The databases of Chromium and Firefox.", negative="")]


class CaAnswer(msgspec.Struct):
    """What `farebox ca show --json` prints."""

    installed: bool
    name: str | None = None
    fingerprint: str | None = None
    root: str | None = None
    bundle: str | None = None
    not_after: str | None = None
    hosts: list[str] = []
    stores: list[str] = []
    missing_hosts: list[str] = []
    """Hosts that the configuration names and the authority may not sign for: they are tunnelled."""


@app.command
def show(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show the installed authority, who trusts it, and how to use it in a shell."""
    chosen = place or Place()
    home = chosen.state()
    found = authority.installed(home)
    if found is None:
        answer = CaAnswer(installed=False)
    else:
        wanted = _names(chosen, home)
        answer = CaAnswer(
            installed=True,
            name=found.facts.name,
            fingerprint=found.facts.fingerprint,
            root=str(found.root),
            bundle=str(found.folder / "bundle.pem"),
            not_after=iso(found.facts.not_after * 1_000_000_000),
            hosts=list(found.facts.permitted),
            stores=[store.name for store in _stores(True, True) if store.has(found.facts.fingerprint)],
            missing_hosts=[name for name in wanted if not found.covers(name)],
        )
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
    else:
        print(_render(answer, home))
    return OK if answer.installed else ANSWER_IS_NO


@app.command
def install(*, system: System = False, nss: Nss = False, place: Place | None = None) -> int:
    """Make the authority, and install its root in the requested stores."""
    chosen = place or Place()
    home = chosen.state()
    found = authority.installed(home) or _make(chosen, home)
    _add(found, _stores(system, nss))
    print(_usage(found, home))
    return OK


@app.command
def env(*, place: Place | None = None) -> int:
    """Print what to export in a shell so that its programs are metered by `farebox up`: eval "$(farebox
    ca env)"."""
    from farebox import catalog
    from farebox.cli.run.environment import direct
    from farebox.cli.run.interception import Interception

    chosen = place or Place()
    home = chosen.state()
    found = authority.installed(home)
    if found is None:
        raise CertificateError(f"no authority is installed; type: {command('ca install', home)}")
    config = chosen.configuration(home)
    own = Interception(home, catalog.load(config.providers), os.environ, found)
    folder = found.folder / ENVIRONMENT
    folder.mkdir(mode=0o700, exist_ok=True)
    variables = {**own.variables(_address(home, config), folder), **direct(os.environ)}
    for name, value in sorted(variables.items()):
        print(f"export {name}={shlex.quote(value)}")
    return OK


@app.command
def remove(*, place: Place | None = None) -> int:
    """Take the roots out of every store and delete all authorities: nothing is left behind."""
    home = (place or Place()).state()
    folder = home.path / "ca"
    failed = False
    for found in authority.every(home):
        failed |= not _take_out(found)
    if failed:
        say("the authority stays until its root is out of every store")
        return ANSWER_IS_NO
    shutil.rmtree(folder, ignore_errors=True)
    forget_pins(home.run / "pinned")
    shutil.rmtree(home.run / "pinned", ignore_errors=True)
    print("No certificate from Farebox is left on this machine.")
    return OK


@app.command
def rotate(*, place: Place | None = None) -> int:
    """Make a new authority in place of the old one, in the same stores; a running proxy takes it at once."""
    chosen = place or Place()
    home = chosen.state()
    old = authority.installed(home)
    before = [store for store in _stores(True, True) if old is not None and store.has(old.facts.fingerprint)]
    fresh = _make(chosen, home)
    _add(fresh, before)
    for store in before:
        if old is not None:
            store.remove(old.facts.fingerprint)
    forget_pins(home.run / "pinned")
    print(_usage(fresh, home))
    return OK


def _make(chosen: Place, home: Home) -> Authority:
    made = authority.make(home.path / "ca" / authority.INSTALLED, _names(chosen, home))
    write_private(made.folder / "bundle.pem", bundle.joined(bundle.system_roots(), made.root.read_bytes()))
    return made


def _names(chosen: Place, home: Home) -> tuple[str, ...]:
    from farebox import catalog
    from farebox.cli.run.interception import permitted_names

    return permitted_names(catalog.load(chosen.configuration(home).providers), os.environ)


def _stores(system: bool, nss: bool) -> list[Store]:
    found: list[Store] = []
    if system:
        store = stores.system_store()
        if store is None:
            raise CertificateError("this system's store of certificates is not known")
        found.append(store)
    return found + (stores.nss_stores() if nss else [])


def _add(found: Authority, wanted: list[Store]) -> None:
    for store in wanted:
        store.add(found.root, found.facts.fingerprint)
        print(f"{found.facts.name} is installed in {store.name}")


def _take_out(found: Authority) -> bool:
    """Take a root out of every store it is in; return whether that worked."""
    well = True
    candidates = [stores.system_store(), *stores.nss_stores()]
    for store in candidates:
        try:
            if store is not None and store.remove(found.facts.fingerprint):
                print(f"{found.facts.name} was removed from {store.name}")
        except CertificateError as error:
            say(str(error))
            well = False
    return well


def _render(answer: CaAnswer, home: Home) -> str:
    if not answer.installed:
        return (
            "No certificate authority is installed. The proxy that `up` starts passes encrypted connections\n"
            "through unread; `run` needs no installed authority.\n"
            f"To make one: {command('ca install [--system] [--nss]', home)}"
        )
    lines = [
        f"{answer.name}",
        f"fingerprint  {answer.fingerprint}",
        f"root         {answer.root}",
        f"good until   {answer.not_after}",
        f"speaks for   {len(answer.hosts)} names of the catalog and the configuration, and no other",
        f"trusted by   {', '.join(answer.stores) or 'no store'}",
    ]
    if answer.missing_hosts:
        shown = ", ".join(answer.missing_hosts[:4])
        lines.append(
            f"not covered  {shown}: passed through unread until you type: {command('ca rotate', home)}"
        )
    return "\n".join(lines)


def _usage(found: Authority, home: Home) -> str:
    return (
        f"{found.facts.name}, good until {iso(found.facts.not_after * 1_000_000_000)[:10]}\n"
        "To be metered, a program has to know where the proxy is and which certificates to trust.\n"
        "In the shell that starts it (Python, Node, Java, Go, Ruby, PHP, curl …):\n"
        f'  eval "$({command("ca env", home, anywhere=True)})"'
    )


def _address(home: Home, config: Config) -> str:
    """Return where the proxy of `farebox up` is, or will be."""
    from farebox.cli.daemon.running import running

    proxy = running(home, "proxy")
    return str(config.listen if proxy is None or proxy.address is None else proxy.address)
