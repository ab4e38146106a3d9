"""Mistakes in what a definition's author writes: told as his, with their place, before anything is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mapfold import Job, Manifest
from mapfold.errors import BuiltDefinitionError
from workflows import building, checked_definition, definition

ROOT = Path(__file__).parents[3]
JOBS = ROOT / "tests" / "fixtures" / "jobs"
NAME = '"Isolate": _isolate(),'


def words() -> Job:
    return Job("words", source=Manifest())


def edited(folder: Path, old: str, new: str) -> int:
    """A copy of workflows/ in `folder`, with a change of its definition; gives the line of it."""
    shutil.copytree(ROOT / "workflows", folder / "workflows", ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    file = folder / "workflows" / "definition.py"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def said(folder: Path, *command: str) -> tuple[int, str]:
    """How a Python module ends with the workflows/ of `folder`, and what it says on stderr."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], check=False, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("typo", "problem"),
    [('"Isolate": = 1,', "SyntaxError: invalid syntax"), ('"Isolate": _isolat(),', "NameError: name '_isolat' is not")],
)
@pytest.mark.parametrize(
    "command",
    [
        ("mapfold", "definition", "words", "--jobs", str(JOBS)),
        ("workflows", "--jobs", str(JOBS)),
    ],
    ids=" ".join,
)
def test_a_mistake_in_python_is_told_with_file_and_line(
    tmp_path: Path, typo: str, problem: str, command: tuple[str, ...]
) -> None:
    """It is not called a fault in Mapfold."""
    line = edited(tmp_path, NAME, typo)

    code, text = said(tmp_path, *command)

    assert code == 2
    assert f"workflows/definition.py:{line}: {problem}" in text
    assert text.endswith(". Mend workflows/definition.py.\n")
    assert len(text.splitlines()) == 1


def test_roles_need_a_definition_that_compiles(tmp_path: Path) -> None:
    """They are derived from its labels."""
    line = edited(tmp_path, NAME, '"Isolate": = 1,')

    code, text = said(tmp_path, "mapfold", "policy", "words", "--jobs", str(JOBS))

    assert (code, text) == (
        2,
        f"mapfold: workflows/definition.py:{line}: SyntaxError: invalid syntax. Mend workflows/definition.py.\n",
    )


@pytest.mark.parametrize(
    "command",
    [("mapfold", "definition", "words", "--jobs", str(JOBS)), ("workflows", "--jobs", str(JOBS))],
    ids=" ".join,
)
def test_an_invalid_definition_is_refused_before_it_is_written(tmp_path: Path, command: tuple[str, ...]) -> None:
    """With the job, the places of all problems, and what to mend."""
    edited(tmp_path, 'default="IsolatePieces"', 'default="IsolatePiecess"')

    code, text = said(tmp_path, *command)

    assert code == 2
    assert "workflows/definition.py, job 'words': the state machine is invalid: MISSING_TRANSITION_TARGET" in text
    assert "Missing 'Next' target: IsolatePiecess at /States/Isolated?/Default" in text
    assert text.endswith("Mend workflows/definition.py.\n")
    assert list((tmp_path / "workflows").glob("*.json")) == []


@pytest.mark.parametrize(
    ("built", "problem"),
    [
        (None, "build_definition gave NoneType, which is no dict"),
        ({"States": {1, 2}}, "what build_definition gave is no JSON: Object of type set is not"),
        (
            {"Comment": "${Wrok}"},
            r"the definition has no value for Wrok\. Placeholders are: PlanFunction, WorkFunction",
        ),
        ({"StartAt": "A"}, r"the state machine is invalid: .* at /"),
    ],
)
def test_what_is_no_definition_names_the_job(monkeypatch: pytest.MonkeyPatch, built: Any, problem: str) -> None:
    """Whatever build_definition gives."""
    monkeypatch.setattr(definition, "build_definition", lambda job: built)

    with pytest.raises(BuiltDefinitionError, match=rf"^workflows/definition\.py, job 'words': {problem}"):
        checked_definition(words())


def test_the_state_of_the_documents_works_as_pasted(tmp_path: Path) -> None:
    """docs/jobs.md: above the `return` of build_definition, and for the one job that it names."""
    page = (ROOT / "docs" / "jobs.md").read_text()
    (block,) = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    edited(tmp_path, "    return definition\n", f"{block}    return definition\n")

    code, _ = said(tmp_path, "workflows", "--jobs", str(ROOT / "jobs"))

    assert code == 0
    rendered = {path.name: json.loads(path.read_text()) for path in (tmp_path / "workflows").glob("*.json")}
    telling = [name for name, machine in rendered.items() if "Tell" in machine["States"]]
    assert telling == ["flight-delays.asl.json"]
    states = rendered["flight-delays.asl.json"]["States"]
    assert states["Tolerated?"]["Choices"][0] == {
        "Variable": "$.status",
        "StringEquals": "SUCCEEDED",
        "Next": "Tell",
    }
    assert states["Tell"]["Next"] == "Succeeded"


def test_an_error_that_is_not_of_the_author_stays_what_it_is() -> None:
    """Only what came through a file of workflows/ that is his."""

    def fails() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        _within(fails)


def _within(act: Callable[[], None]) -> None:
    with building.authored():
        act()
