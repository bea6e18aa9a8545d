"""The benchmark of the SDK says what it could not measure."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.bench import sdk


def test_without_the_package_registry_the_benchmark_measures_farebox_alone_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sdk, "CACHE", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    python, problem = sdk._products()
    assert python is None and problem is not None
    assert "could not be installed" in problem and "lago-agent-sdk" in problem
    assert problem in capsys.readouterr().err


def test_what_is_measured_beside_farebox_is_pinned_and_names_no_address() -> None:
    lines = [line for line in sdk.REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    assert all("://" not in line for line in lines)
    assert {line.partition("==")[0] for line in lines if "==" in line} >= {
        "lago-agent-sdk",
        "langfuse",
        "opentelemetry-instrumentation-openai",
        "openai",
    }
