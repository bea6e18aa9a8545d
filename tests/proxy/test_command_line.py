"""What is said of a program: its name and its script's, and never an argument."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from farebox.proxy.caller import process_info
from farebox.proxy.caller.command_line import read_command_line

KEY = "sk-proj-" + "4fJ9" * 12
FILES = {
    "/venv/bin/aider",
    "/usr/local/bin/gemini",
    "/venv/bin/celery",
    "/opt/My App/bin/tool",
    "script",
    KEY,
}


def shown(words: list[str], executable: str = "") -> str:
    return read_command_line(words, FILES.__contains__, executable).shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/python3.11", "/srv/app.py", "--key", KEY], "python3.11 app.py"),
        (["python", "-m", "pkg.tool", KEY], "python -m pkg.tool"),
        (["python", "-Im", "pkg.tool", KEY], "python -m pkg.tool"),
        (["python", "-mpkg.tool", KEY], "python -m pkg.tool"),
        (["python", "-c", f"key = '{KEY}'"], "python"),
        (["python", "-uc", f"key = '{KEY}'"], "python"),
        (["node", "--enable-source-maps", "server.mjs", KEY], "node server.mjs"),
        (["java", "-jar", "/srv/app.jar"], "java -jar app.jar"),
        (["java", "-cp", "/srv/a.jar", "com.acme.Main", KEY], "java com.acme.Main"),
        (["claude", "-p", "a prompt"], "claude"),
        (["/opt/bin/agent", KEY], "agent"),
        (["/opt/My App/bin/tool", KEY], "tool"),
        ([], ""),
    ],
)
def test_a_command_is_shown_without_its_arguments(words: list[str], expected: str) -> None:
    assert shown(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/venv/bin/python3", "/venv/bin/aider", "--openai-api-key", KEY], "python3 aider"),
        (["/venv/bin/python3", "-X", "utf8", "-W", "ignore", "/venv/bin/celery", "worker"], "python3 celery"),
        (["node", "--require", "/x/preload.cjs", "/usr/local/bin/gemini", "-p", KEY], "node gemini"),
        (["bun", "run", "script", KEY], "bun script"),
        (["php", "-d", f"my.key={KEY}", "/srv/job.php"], "php job.php"),
        (["npx", "-y", "@acme/agent@2", KEY], "npx @acme/agent@2"),
        (["uv", "run", "app.py", KEY], "uv app.py"),
    ],
)
def test_an_entry_point_of_pip_or_npm_is_shown_by_its_name(words: list[str], expected: str) -> None:
    assert shown(words) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["node", KEY[:20]],
        ["node", "--unknown", KEY[:20], "/usr/local/bin/gemini"],
        ["python3", "deleted", "/venv/bin/aider", KEY],
        ["npx", "--token", KEY[:20], "tool"],
        ["php", "-r", "call();", "script"],
        ["bash", "-c", f"OPENAI_API_KEY={KEY} ./x.sh"],
        ["uv", "run", "--unknown", KEY[:20], "tool"],
    ],
)
def test_a_word_that_may_be_an_argument_is_left_out(words: list[str]) -> None:
    assert shown(words) == words[0]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (f"gunicorn: master [app:create('{KEY}')]", "gunicorn"),
        (
            "[celeryd: celery@host:MainProcess] -active- (worker -A tasks -b redis://:secret@host/0)",
            "celeryd",
        ),
        (f"my-agent --key {KEY} --file /etc/secret", "my-agent"),
        (f"/srv/bin/my-agent --key {KEY}", "my-agent"),
        (f"worker:{KEY}", "worker"),
        (f"{KEY} is the key", "node"),
        (KEY + "A", "node"),
        ("«»", "node"),
    ],
)
def test_of_a_rewritten_title_the_name_is_kept_and_no_argument(title: str, expected: str) -> None:
    assert shown([title], "node") == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_running_entry_point_and_a_rewritten_title_are_read_so(tmp_path: Path) -> None:
    script = tmp_path / "aider"
    script.write_text("import sys; print('up', flush=True); sys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, str(script), "--key", KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert process_info.command_of(child.pid) == f"{Path(sys.executable).name} aider"
        child.communicate(timeout=10)
    title = f"exec -a 'agent: --key {KEY}' cat"
    with subprocess.Popen(["bash", "-c", title], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        for _ in range(1000):
            if (Path(f"/proc/{child.pid}/exe").readlink()).name != "bash":
                break
            time.sleep(0.01)
        assert process_info.command_of(child.pid) == "agent"
        child.communicate(timeout=10)
