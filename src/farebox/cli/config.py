"""`farebox config`: what is in force and where it comes from; check a file; trust a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from farebox.budgets.budget import COMMAND
from farebox.budgets.node_readers import named_twice
from farebox.cli.exits import CONFIG, OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import clean, count
from farebox.cli.setting_flags import SettingFlags
from farebox.config import Config
from farebox.config.alerts_section import known_of_file
from farebox.config.layers import FILE_NAME, read_layers
from farebox.config.values_in_force import ValueInForce, values_in_force
from farebox.config.working_directory import SIZE_MAX
from farebox.control.alert_changes import known_to_commands
from farebox.errors import ConfigError, Finding, UsageError
from farebox.home import Home
from farebox.program import command
from farebox.snapshot import read_snapshot

app = App(
    name="config", help="Show what is configured and where it comes from; check a file; trust a directory."
)


class ConfigAnswer(msgspec.Struct, kw_only=True):
    """`farebox config show --json`."""

    schema: str = "farebox.config/1"
    files: list[str]
    """The files that were read, the one that counts least first."""
    trusts_directory: bool
    values: list[ValueInForce]
    findings: list[Finding]


class ConfigCheckAnswer(msgspec.Struct, kw_only=True):
    """`farebox config check --json`."""

    schema: str = "farebox.config-check/1"
    files: list[str]
    findings: list[Finding]


@app.command
def show(*, place: Place | None = None, settings: SettingFlags | None = None, as_json: AsJson = False) -> int:
    """Show every value in force here, and the file, variable or flag that it comes from.

    `*` marks what a running Farebox follows by itself; for the rest type `farebox restart`, or stop it and
    start it again.
    """
    chosen = place or Place()
    layers = read_layers(chosen.state_to_read(), chosen.config, flags=(settings or SettingFlags()).given())
    answer = ConfigAnswer(
        files=[str(path) for path in layers.files],
        trusts_directory=layers.trusts_directory,
        values=values_in_force(layers),
        findings=layers.findings,
    )
    if as_json:
        json_shapes.print_json(answer)
    else:
        print(render(answer.values))
        for finding in answer.findings:
            say(clean(str(finding)))
    return CONFIG if answer.findings else OK


def render(values: list[ValueInForce]) -> str:
    """Return the values as lines: nothing is cut, whatever the width of the terminal."""
    rows = [(clean(each.key), "–" if each.value is None else clean(each.value), each) for each in values]
    key_width = max(len(key) for key, _, _ in rows)
    value_width = min(max(len(value) for _, value, _ in rows), 40)
    return "\n".join(
        f"{'*' if each.at_once else ' '} {key:<{key_width}}  {value:<{value_width}}  {clean(each.origin)}"
        for key, value, each in rows
    )


@app.command
def check(
    file: Annotated[Path | None, Parameter(help="The file to check; by default those in force here.")] = None,
    /,
    *,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Check the configuration, prices included, and report every mistake with file and line."""
    chosen = place or Place()
    home = chosen.state_to_read()
    layers = read_layers(home, file or chosen.config)
    findings = [*layers.findings, *_beside_commands(home, layers.config)]
    findings.sort(key=lambda finding: (finding.file, finding.line))
    answer = ConfigCheckAnswer(files=[str(path) for path in layers.files], findings=findings)
    if as_json:
        json_shapes.print_json(answer)
    else:
        for finding in answer.findings:
            print(clean(str(finding)))
        read = ", ".join(answer.files) or "no file: the defaults apply"
        print(f"{clean(read)}: {count(len(answer.findings), 'mistake')}")
    return CONFIG if answer.findings else OK


def _beside_commands(home: Home, said: Config) -> list[Finding]:
    """Return how budgets and alerts do not fit what commands have set."""
    published = read_snapshot(home)
    budgets = [each.name for each in published.budgets if each.origin == COMMAND]
    alerts = [each.name for each in published.alerts if each.origin == COMMAND]
    findings = named_twice(home.config, said.budgets, budgets, section="budgets", command="budget")
    findings += named_twice(home.config, said.alerts, alerts, section="alerts", command="alerts")
    if said.alert_references:
        from farebox.alerts.references import missing

        findings += missing(said.alert_references, known_of_file(said) | known_to_commands(home))
    return findings


@app.command
def trust(
    directory: Annotated[Path, Parameter(help="The directory whose farebox.yaml is trusted.")] = Path(),
    /,
    *,
    place: Place | None = None,
) -> int:
    """Let a directory's farebox.yaml, as it is now, move known providers and intercept more hosts.

    Calls to these providers go where the file says, keys included. A file that changes has to be
    trusted again.
    """
    from farebox.config.trust import trust as remember

    home = (place or Place()).state()
    file, content = _file_of(directory)
    remember(home, file, content)
    print(f"{file} is trusted as it is now. Take it back: {command(f'config distrust {directory}', home)}")
    return OK


@app.command
def distrust(
    directory: Annotated[Path, Parameter(help="The directory.")] = Path(),
    /,
    *,
    place: Place | None = None,
) -> int:
    """Trust a directory's farebox.yaml no longer."""
    from farebox.config.trust import distrust as forget

    file = directory.expanduser().absolute() / FILE_NAME
    print(
        f"{file} is trusted no longer"
        if forget((place or Place()).state(), file)
        else f"{file} was not trusted"
    )
    return OK


def _file_of(directory: Path) -> tuple[Path, bytes]:
    file = directory.expanduser().absolute() / FILE_NAME
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(content) > SIZE_MAX:
        raise ConfigError([Finding(str(file), 0, "size", f"{len(content):,} bytes", f"at most {SIZE_MAX:,}")])
    return file, content
