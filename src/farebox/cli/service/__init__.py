"""`farebox service`: have the system's service manager keep Farebox running."""

from __future__ import annotations

from cyclopts import App

app = App(name="service", help="Keep Farebox running after you log out: systemd on Linux, launchd on macOS.")
_HELP = {
    "install": "Have it start with your session and again when it fails; safe to repeat.",
    "remove": "Stop it and take it out of the service manager; what is recorded stays.",
    "status": "Show whether it is installed and runs; 1 means that it does not run.",
}
for _name, _help in _HELP.items():
    app.command(f"farebox.cli.service.service_command:{_name}", name=_name, help=_help)
