"""`farebox import`: what was used before, from agents' logs and exported files."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="import", help="Import what was used before: agents' logs on this machine, and exported files."
)
_COMMANDS = {
    "agents": ("agents:agents", "Import Claude Code's, Codex's, Gemini CLI's and opencode's logs."),
    "csv": ("files:csv", "Import a table of calls."),
    "jsonl": ("files:jsonl", "Import calls in JSON lines."),
    "helicone": ("files:helicone", "Import an export of Helicone's."),
    "langfuse": ("files:langfuse", "Import observations exported from Langfuse."),
    "litellm": ("files:litellm", "Import LiteLLM's spend logs."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.imports.{_target}", name=_name, help=_help)
