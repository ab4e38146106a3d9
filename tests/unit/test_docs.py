"""The code in the documents does what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BESIDE = ROOT / "tests" / "fixtures" / "docs"
"""Where the files are that a page's module has beside itself, such as the lock of its packages."""
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if "```python" in page.read_text()
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path) -> None:
    """A page's blocks run in order, in one module, as a reader would type them; asserts in them hold."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {"__name__": "page"}

    for block in blocks:
        exec(compile(block, str(BESIDE / page.name), "exec"), module)  # noqa: S102 - to run it is the test

    module["job"].check()
