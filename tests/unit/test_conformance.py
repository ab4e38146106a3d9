"""The table of docs/conformance.md: every row has its source, and a test that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)(?:::(\w+))?")


def rows() -> list[list[str]]:
    """The cells of every row, without the heads of the tables."""
    lines = (line for line in PAGE.read_text().splitlines() if line.startswith("| "))
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if row[0] not in ("Behaviour", "---")]


@cache
def names_in(module: str) -> frozenset[str]:
    """The functions and classes of a module."""
    tree = ast.parse((ROOT / module).read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_row_has_a_behaviour_a_source_and_a_proof() -> None:
    """Three cells a row, none of them empty."""
    incomplete = [row for row in rows() if len(row) != 3 or not all(row)]

    assert rows(), "the page has no table"
    assert not incomplete


def test_every_test_that_proves_a_row_is_there() -> None:
    """A row names its tests as pytest does: the module, and the function, the class or both."""
    missing = []
    for row in rows():
        named = TEST.findall(row[2])
        missing += [row[2]] if not named else []
        for module, *names in named:
            if not (ROOT / module).is_file() or not set(filter(None, names)) <= names_in(module):
                missing.append("::".join([module, *names]))

    assert not missing
