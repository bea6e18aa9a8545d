"""`otlp:` says where spans and metrics of calls are sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config import read_layers
from farebox.config.configuration import OtlpConfig
from farebox.config.otlp_section import OTLP_EXAMPLE
from farebox.home import Home


def read(home: Path, text: str) -> tuple[OtlpConfig | None, list[str]]:
    home.mkdir(exist_ok=True)
    (home / "farebox.yaml").write_text(text)
    layers = read_layers(Home(home), prices=False)
    return layers.config.otlp, [str(finding) for finding in layers.findings]


def test_the_example_is_read_and_its_header_is_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_AUTHORIZATION", "Bearer canary")
    otlp, findings = read(tmp_path / "home", OTLP_EXAMPLE)
    assert not findings
    assert otlp is not None
    assert (otlp.endpoint, otlp.signals) == ("https://otel.example.com:4318", ("traces", "metrics"))
    ((name, reference),) = otlp.headers
    assert name == "authorization"
    assert "canary" not in repr(otlp)
    assert reference.secret().reveal() == "Bearer canary"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("otlp: {}", "an endpoint"),
        ("otlp: [x]", "a mapping"),
        ("otlp: {endpoint: 'http://otel.example.com'}", "https://"),
        ("otlp: {endpoint: 'https://o.example/x?key=abc'}", "keys go into `headers`"),
        ("otlp: {endpoint: 'https://user:pw@o.example'}", "without a user or password"),
        ("otlp: {endpoint: 'https://o.example', signals: [logs]}", "traces and metrics"),
        ("otlp: {endpoint: 'https://o.example', headers: {host: {env: A}}}", "yours to set"),
        ("otlp: {endpoint: 'https://o.example', heders: {}}", "an unknown key"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(tmp_path: Path, text: str, said: str) -> None:
    otlp, findings = read(tmp_path / "home", text)
    assert otlp is None
    assert said in " ".join(findings)
