"""What is public: every name listed, typed, loaded when it is first used, and nothing before."""

from __future__ import annotations

import inspect
import subprocess
import sys

import farebox

NAMES = [
    "BudgetExceededError", "BudgetLeft", "FareboxError", "Price", "Spend", "__version__", "attribute",
    "budget_left", "configure", "cost", "flush", "instrument", "meter", "outcome", "price", "record",
    "score", "shutdown", "track", "uninstrument", "wrap",
]  # fmt: skip


def test_the_public_names_are_these_and_sorted() -> None:
    assert farebox.__all__ == NAMES == sorted(NAMES)


def test_every_public_name_is_there_and_explained() -> None:
    for name in NAMES:
        thing = getattr(farebox, name)
        assert name == "__version__" or inspect.getdoc(thing), name
        assert name in dir(farebox)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(farebox, "no_such_name")


def test_every_parameter_and_result_is_typed() -> None:
    for name in NAMES:
        thing = getattr(farebox, name)
        if inspect.isfunction(thing):
            signature = inspect.signature(thing)
            assert signature.return_annotation is not inspect.Signature.empty, name
            assert all(
                parameter.annotation is not inspect.Parameter.empty
                for parameter in signature.parameters.values()
            ), name


def loaded_by(code: str) -> set[str]:
    probe = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_and_instrumenting_load_no_stack_and_nothing_of_the_standard_extra() -> None:
    loaded = loaded_by("import farebox; farebox.instrument()")
    heavy = {
        "httpx", "httpx2", "requests", "urllib3", "aiohttp", "botocore", "apsw", "duckdb", "sqlalchemy",
        "starlette", "cryptography", "rich", "uvloop", "yaml", "asyncio", "logging",
    }  # fmt: skip
    assert not loaded & heavy


def test_recording_loads_nothing_of_the_standard_extra() -> None:
    usage = "{'output_text': 1}"
    loaded = loaded_by(f"import farebox; farebox.record(provider='openai', model='gpt-4o', usage={usage})")
    heavy = {
        "apsw", "duckdb", "sqlalchemy", "starlette", "cryptography", "rich", "uvloop", "httptools",
        "farebox.proxy", "farebox.ledger", "farebox.server", "farebox.cli",
    }  # fmt: skip
    assert not loaded & heavy
