"""`farebox service`: have the system's service manager keep Farebox running."""

from __future__ import annotations

from cyclopts import App

app = App(name="service", help="Keep Farebox running after you log out: systemd on Linux, launchd on macOS.")
app.command("farebox.cli.service.service_command:install", name="install")
app.command("farebox.cli.service.service_command:remove", name="remove")
app.command("farebox.cli.service.service_command:status", name="status")
