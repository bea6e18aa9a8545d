"""`instrument()` attaches to frameworks that the program imports, and imports and breaks none."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from metered import Metered

import farebox
from farebox.integrations import litellm
from farebox.sdk.instrumentation import FRAMEWORKS


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `litellm` that has just what the integration needs, or less."""
    package = tmp_path / "packages" / "litellm"
    (package / "integrations").mkdir(parents=True)
    (package / "__init__.py").write_text("callbacks = []\n")
    (package / "integrations" / "__init__.py").write_text("")
    (package / "integrations" / "custom_logger.py").write_text("class CustomLogger: pass\n")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(litellm, "_is_attached", False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "litellm"]:
        monkeypatch.delitem(sys.modules, name)
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "litellm"]:
        del sys.modules[name]
    farebox.uninstrument()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Metered]:
    made = Metered(tmp_path / "home", lambda _: None)  # type: ignore[arg-type,return-value]
    yield made
    made.close()


def test_a_framework_is_attached_when_the_program_imports_it_and_once(home: Metered, fake: Path) -> None:
    farebox.instrument()
    assert "litellm" not in sys.modules
    module = importlib.import_module("litellm")
    farebox.instrument()
    assert [type(each).__name__ for each in module.callbacks] == ["FareboxLogger"]
    assert not home.errors


def test_a_framework_that_is_there_already_is_attached_too(home: Metered, fake: Path) -> None:
    module = importlib.import_module("litellm")
    farebox.instrument()
    assert len(module.callbacks) == 1


def test_a_framework_that_has_changed_is_imported_all_the_same(home: Metered, fake: Path) -> None:
    (fake / "__init__.py").write_text("works = True\n")
    farebox.instrument()
    assert importlib.import_module("litellm").works
    assert [type(error).__name__ for error in home.errors] == ["AttributeError"]


def test_callbacks_do_nothing_once_metering_is_off(home: Metered, fake: Path) -> None:
    farebox.instrument()
    (logger,) = importlib.import_module("litellm").callbacks
    farebox.uninstrument()
    logger.log_pre_api_call("gpt-4o", [], {"litellm_call_id": "1", "additional_args": {"a": 1}})
    assert "1" not in litellm._calls


def test_every_framework_has_an_extra_and_a_guide() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    for name in {*FRAMEWORKS.values(), "anthropic"}:
        spelt = name.replace("_", "-")
        assert f"\n{spelt} = [" in text and (root / "docs/guides/integrations" / f"{spelt}.md").is_file()


def test_the_guide_names_the_versions_that_are_tested() -> None:
    root = Path(__file__).resolve().parents[2]
    locks = "".join(path.read_text() for path in (root / "tests/integrations/environments").glob("*.lock"))
    guide = (root / "docs/guides/integrations/README.md").read_text(encoding="utf-8")
    tested = re.findall(r"\| ([a-z-]+) (\d[\d.]*) \|$", guide, re.MULTILINE)
    assert len(tested) == 7
    for package, version in tested:
        assert f"{package}=={version} " in locks, f"{package} is locked in another version: change the guide"


def test_importing_farebox_and_its_integrations_imports_no_framework() -> None:
    names = ", ".join(f"farebox.integrations.{name}" for name in sorted({*FRAMEWORKS.values(), "anthropic"}))
    code = f"import sys, farebox; farebox.instrument(); import {names}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "langchain_core",
        "llama_index",
        "litellm",
        "agents",
        "pydantic_ai",
        "crewai",
        "anthropic",
    }
