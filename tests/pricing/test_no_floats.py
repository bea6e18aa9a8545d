"""Money is never a float: no float literal, no true division, no float() where money is made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import farebox

PACKAGE = Path(farebox.__file__).parent
FILES = sorted([*PACKAGE.glob("pricing/*.py"), PACKAGE / "money.py"])

_FLOAT_NAMES = {"float", "fsum", "truediv"}


def float_arithmetic(source: str) -> Iterator[str]:
    """Yield every place at which a float could come into being."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"line {node.lineno}: literal {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            if not is_path(node):
                yield f"line {node.lineno}: true division"
        elif isinstance(node, ast.Name) and node.id in _FLOAT_NAMES:
            yield f"line {node.lineno}: {node.id}"
        elif isinstance(node, ast.Attribute) and node.attr in {*_FLOAT_NAMES, "__truediv__", "timestamp"}:
            yield f"line {node.lineno}: {node.attr}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = getattr(node, "module", None)
            if "operator" in (module, *names) or ("math" in (module, *names) and names != ["gcd"]):
                yield f"line {node.lineno}: import of {module or names}"


def is_path(node: ast.BinOp | ast.AugAssign) -> bool:
    """A path joined with text somewhere in the chain, as in `folder / "prices.yaml"`."""
    sides: list[ast.expr] = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.BinOp) and is_path(side))
        for side in sides
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_float_arithmetic_where_money_is_made(path: Path) -> None:
    assert list(float_arithmetic(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 0.1",
        "x = a / b",
        "a /= 2",
        "float('1')",
        "import math",
        "from operator import truediv",
        "t.timestamp()",
    ],
)
def test_the_check_sees_a_float_coming(source: str) -> None:
    assert list(float_arithmetic(source))


def test_the_check_lets_paths_and_whole_division_pass() -> None:
    assert list(float_arithmetic("p = folder / 'prices.yaml'\nq = 7 // 2\nfrom math import gcd")) == []
