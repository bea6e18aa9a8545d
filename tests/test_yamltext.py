"""YAML of strangers: a repository's `farebox.yaml` is read wherever a command is typed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from farebox import yamltext

DEEP = {
    "flow lists": b"a: " + b"[" * 50_000,
    "flow mappings": b"{a: " * 50_000,
    "closed": b"a: " + b"[" * 20_000 + b"]" * 20_000,
    "block": b"".join(b" " * level + b"a:\n" for level in range(1_000)),
    "dashes": b"- " * 20_000,
    "question marks": b"? " * 20_000,
}


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_a_finding_and_does_not_end_the_process(content: bytes) -> None:
    code = (
        "import sys; from farebox import yamltext; "
        "root, findings = yamltext.decode(sys.stdin.buffer.read(), 'f'); "
        "print(root is None, findings[0].expected)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"True at most 64 levels\n")


def test_as_many_levels_as_are_allowed_are_read() -> None:
    """The control."""
    levels = yamltext.DEPTH_MAX
    root, findings = yamltext.decode(b"[" * levels + b"]" * levels, "f")
    assert root is not None and findings == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\0", b"a: \0", b"a: !!python/object/apply:os.system [id]", b"---\na: 1\n---\nb: 2\n",
        b"a: &a [*a]", b"<<: {listen: 0.0.0.0:1}", b'a: "' + b"\\" * 900_000,
        b"a: {" + b"b: c, " * 1_000 + b"}",
    ],
)  # fmt: skip
def test_whatever_is_in_it_is_read_as_text_or_a_finding(content: bytes) -> None:
    root, findings = yamltext.decode(content, "f")
    assert root is not None or findings


def aliases(lines: int) -> bytes:
    """Return a text in which each line stands for twice as much as the one before."""
    doubled = [f"m{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, lines)]
    return "\n".join(["m0: &a0 {b: c}", *doubled]).encode()


@pytest.mark.parametrize(
    "content", [aliases(40), b"a: &a [" + b"1," * 200 + b"]\nb: [" + b"*a," * 200 + b"]"]
)
def test_a_text_that_stands_for_far_more_than_it_is_is_a_finding(content: bytes) -> None:
    root, findings = yamltext.decode(content, "f")
    assert root is None
    assert "aliases" in findings[0].found


def test_a_few_aliases_are_read() -> None:
    """The control."""
    root, findings = yamltext.decode(aliases(8), "f")
    assert findings == [] and root is not None
    assert root.plain()["m1"] == [{"b": "c"}, {"b": "c"}]
