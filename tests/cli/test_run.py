"""How `farebox run` reads its own command line and names what it runs."""

from __future__ import annotations

import pytest

from farebox.cli.app import with_command_separator
from farebox.cli.run.private_proxy import configuration_text
from farebox.cli.run.run_command import app_name
from farebox.config import Config, ProviderConfig
from farebox.yamltext import parse


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "app.py"], "app"),
        (["/usr/bin/python3.12", "-u", "src/ingest.py", "--fast"], "ingest"),
        (["python", "-m", "package.tool"], "package.tool"),
        (["python", "-c", "print(1)"], "python"),
        (["uv", "run", "app.py"], "app"),
        (["node", "server.mjs"], "server"),
        (["./evaluate.sh", "x"], "evaluate.sh"),
        (["claude"], "claude"),
    ],
)
def test_a_command_is_called_by_its_script(command: list[str], name: str) -> None:
    assert app_name(command) == name


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("run python app.py --json", "run -- python app.py --json"),
        ("run --app x python -u app.py", "run --app x -- python -u app.py"),
        ("run --quiet --home /h env", "run --quiet --home /h -- env"),
        ("run -- python", "run -- python"),
        ("run --help", "run --help"),
        ("today --json", "today --json"),
    ],
)
def test_what_follows_the_commands_name_is_the_commands(typed: str, read: str) -> None:
    assert with_command_separator(typed.split()) == read.split()


def test_the_private_proxys_configuration_is_yaml_without_prices() -> None:
    config = Config(durability="power", providers={"a": ProviderConfig(upstream="http://x", speaks="openai")})
    node, findings = parse(configuration_text(config, {"b": ProviderConfig(speaks="openai")}).decode(), "f")
    assert findings == []
    assert node is not None
    assert node.plain() == {
        "listen": "127.0.0.1:0",
        "dashboard": "127.0.0.1:3274",
        "durability": "power",
        "providers": {"a": {"upstream": "http://x", "speaks": "openai"}, "b": {"speaks": "openai"}},
    }
