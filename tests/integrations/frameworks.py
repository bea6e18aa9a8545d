"""Run programs that use a framework, in an environment that has it, and read what was recorded of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from examples import mock_upstream
from metered import KEY, Metered, respond_as_named
from tools.upstream import Reply, Request, json_reply

from farebox.ledger.call_row import CallRow

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = Path(__file__).parent / "environments"
PROGRAMS = Path(__file__).parent / "programs"


def respond(request: Request) -> Reply:
    """Respond as the examples' mock does; a model that is called `busy` is so the first time."""
    if not request.path.endswith("/chat/completions"):
        return respond_as_named(request)
    if request.json()["model"] == "busy" and request.header("x-stainless-retry-count") == "0":
        return json_reply({"error": {"message": "busy"}}, 503, headers=((b"retry-after-ms", b"1"),))
    return mock_upstream.respond(request)


class Programs:
    """One test's."""

    def __init__(self, metered: Metered) -> None:
        self.metered = metered

    def run(self, python: Path, *arguments: str | Path, **more: str) -> str:
        """Run a program, which ends well and has no error of Farebox's; return what it printed."""
        done = self._run(python, *arguments, **more)
        assert "farebox: " not in done.stderr and "the program goes on" not in done.stderr, done.stderr
        return done.stdout

    def failing(self, python: Path, program: str, name: str) -> list[CallRow]:
        """Run a scenario in which Farebox has errors, which `on_error` is told; return all calls."""
        done = self._run(python, PROGRAMS / "runner.py", f"{program}:{name}")
        assert "farebox: RuntimeError: broken on purpose" in done.stderr
        return self.metered.rows()

    def _run(self, python: Path, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [python, *arguments], env=self._environment(**more), capture_output=True, text=True, check=False,
            cwd=self.metered.home.path.parent, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    def scenarios(self, python: Path, program: str, *names: str, late: bool = False) -> list[CallRow]:
        """Run scenarios of a program in one process and return all calls."""
        options = ["--late"] if late else []
        self.run(python, PROGRAMS / "runner.py", *options, *(f"{program}:{name}" for name in names))
        return self.metered.rows()

    def _environment(self, **more: str) -> dict[str, str]:
        """Of the environment of these tests only what the base install needs is used, and it comes last."""
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        last = self.metered.home.path.parent / "last"
        last.mkdir(exist_ok=True)
        (last / "sitecustomize.py").write_text(f"import sys; sys.path.append({packages!r})\n")
        openai = self.metered.url("openai") + "/v1"
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}:{PROGRAMS}:{last}",
            "FAREBOX_HOME": str(self.metered.home.path),
            "HOME": str(self.metered.home.path.parent),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai,
            "OPENAI_API_BASE": openai,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": self.metered.url("anthropic"),
            "CREWAI_DISABLE_TELEMETRY": "true",
            "CREWAI_TRACING_ENABLED": "false",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OTEL_SDK_DISABLED": "true",
            **more,
        }


def of_scenario(rows: list[CallRow], name: str) -> list[CallRow]:
    """Return the calls of a scenario, in their order."""
    return [row for row in rows if row.attribution["tag.scenario"] == name]


NAMES = ("agent", "tag.chain", "tag.tool", "task")


def named(row: CallRow, *names: str) -> dict[str, str]:
    """Return what a framework has named of a call, each step by its name alone."""
    wanted = (*NAMES, *names)
    found = {name: row.attribution[name] for name in wanted if name in row.attribution}
    for name in ("step", "parent_step"):
        if name in row.attribution:
            found[name] = row.attribution[name].rpartition(":")[0]
    return found


def tree(rows: list[CallRow]) -> dict[str, set[str]]:
    """Return the steps that calls know of, each with the names of those right inside; `` is the root."""
    paths: set[tuple[str, ...]] = set()
    for row in rows:
        said = row.attribution
        path = said.get("step_path", "/".join(filter(None, (said.get("parent_step"), said.get("step")))))
        steps = tuple(filter(None, path.split("/")))
        paths |= {steps[:length] for length in range(1, len(steps) + 1)}
    found: dict[str, set[str]] = {}
    for path in paths:
        outer = path[-2].rpartition(":")[0] if len(path) > 1 else ""
        found.setdefault(outer, set()).add(path[-1].rpartition(":")[0])
    return found
