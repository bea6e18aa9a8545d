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


SYNTAX = {
    "a: {b: 1\nc: 2\n": (2, "no `,` or `}` for the `{` of line 1"),
    "plans:\n  pro: {charges: [{meter: calls}\n": (3, "no `,` or `]` for the `[` of line 2"),
    "a: b: c\n": (1, "one `key: value` a line"),
    "a:\n\tb: 1\n": (2, "spaces: YAML is not indented by tabs"),
    "a: 'x\nb: 2\n": (3, "a quotation mark of line 1 that nothing closes"),
    "- a\nb: 1\n": (2, "`- ` before each entry"),
    "a: *x\n": (1, "a text that begins with `*` in quotes"),
    "a: @x\n": (1, "a text that begins with `@`, expected such a text in quotes"),
    "a: {b: 1, c}}\n": (1, "as many `}` and `]` as were opened"),
    "a:\n  - b\n c: 1\n": (3, "does not line up with those from line 1 on"),
    "key: - a\n": (1, "`- ` on a line of its own"),
    'a: "\\q"\n': (1, "stands for nothing"),
    "a: 1\nb\n": (3, "a line without `:`"),
    "a: 1\n---\nb: 2\n": (2, "one document in a file"),
    "a: 1\nb: \x07\n": (2, "printable text"),
}


@pytest.mark.parametrize(("text", "said"), SYNTAX.items(), ids=[repr(text) for text in SYNTAX])
def test_broken_yaml_is_told_in_plain_words_at_its_line(text: str, said: tuple[int, str]) -> None:
    root, findings = yamltext.parse(text, "f.yaml")
    assert root is None and len(findings) == 1
    message = str(findings[0])
    assert message.startswith(f"f.yaml:{said[0]}: found ") and said[1] in message
    assert not any(word in message for word in ("token", "indicator", "mapping values", "stream"))
