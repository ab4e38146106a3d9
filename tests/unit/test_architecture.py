"""Imports only go down, as the house in the design says; each climb is reported with its file and line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mapfold

ROOT = Path(__file__).parents[2]
API = "mapfold"
"""The public API and what it stands on: every module of mapfold/ that lies in none of the areas below."""

SHARED_TASKS = ("api", "start", "watch", "_client", "_api_models", "_api_errors", "_api_openapi", "_start_messages")
"""Modules of tasks/ of the functions that a stage has once. A job's own functions run none of them."""

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "mapfold.errors": (),
    "mapfold.unpacking": (),
    "mapfold.states": ("mapfold.errors",),
    "mapfold.local": ("mapfold.states", "mapfold.errors", "mapfold.unpacking"),
    API: ("mapfold.errors", "mapfold.unpacking"),
    "jobs": (API,),
    "workflows": (API, "mapfold.states", "mapfold.errors"),
    "tasks": (API, "mapfold.errors"),
    "mapfold.estimate": (API, "mapfold.errors"),
    "mapfold.client": (API, "workflows", "mapfold.errors"),
    "mapfold.console": ("mapfold.client", "mapfold.estimate", API, "mapfold.errors"),
    # `mapfold local` serves the embedded AWS: its one way in is the server.
    "mapfold.cli": (
        "mapfold.client",
        "mapfold.estimate",
        "mapfold.console",
        "mapfold.local.server",
        API,
        "workflows",
        "mapfold.errors",
    ),
    "mapfold.__main__": ("mapfold.cli",),
    "infra": ("workflows", "tasks", "jobs", API, "mapfold.errors"),
}
MAY_IMPORT |= {
    f"tasks.{name}": ("tasks", *(f"tasks.{other}" for other in SHARED_TASKS), "mapfold.client", API, "mapfold.errors")
    for name in SHARED_TASKS
}
OURS = ("mapfold", "jobs", "workflows", "tasks", "infra", "tests", "benchmarks", "examples")


def climbs(name: str, source: str, where: str = "module") -> list[str]:
    """The imports of the module `name` that its area may not make, as `file:line: what`."""
    area = area_of(name)
    allowed = MAY_IMPORT[area]
    return [
        f"{where}:{line} imports {imported}; {area} may import {', '.join(allowed) or 'nothing of ours'}"
        for line, imported in imports(name, source)
        if imported.partition(".")[0] in OURS and not is_allowed(imported, area, allowed)
    ]


def is_allowed(imported: str, area: str, allowed: tuple[str, ...]) -> bool:
    return area_of(imported) in (area, *allowed) or any(is_within(imported, name) for name in allowed if name != API)


def area_of(module: str) -> str:
    """The area of the house that a module lies in: the longest name of `MAY_IMPORT` that it is within."""
    return max((area for area in MAY_IMPORT if is_within(module, area)), key=len, default=module)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(name: str, source: str) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, also those in functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                package = name.split(".")[: -node.level]
                origin = ".".join([*package, origin] if origin else package)
            # `from mapfold import local` imports a module, `from mapfold import Job` a name: either may be an area.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def modules() -> Iterator[tuple[str, Path]]:
    for folder in ("mapfold", "jobs", "workflows", "tasks", "infra"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def test_no_import_climbs() -> None:
    """A module imports from its own area of the house and from those below it, wherever in the file the import is."""
    found = [
        climb for name, path in modules() for climb in climbs(name, path.read_text(), where=str(path.relative_to(ROOT)))
    ]

    assert found == []


def test_a_job_imports_nothing_of_ours_but_the_public_names() -> None:
    """What a job's author needs is in `mapfold` itself; a module below it may change its name at any time."""
    found = {
        imported
        for path in sorted((ROOT / "jobs").glob("*.py"))
        for _, imported in imports(f"jobs.{path.stem}", path.read_text())
        if imported.partition(".")[0] in OURS and not imported.startswith("jobs._")  # the jobs' own helpers
    }

    assert found <= {f"mapfold.{name}" for name in mapfold.__all__}


def test_nothing_reads_a_pipe_as_a_file() -> None:
    """uvloop closes the descriptor of such a pipe twice; the second time it may be SQLite's: "disk I/O error"."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "mapfold").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("connect_read_pipe", "connect_write_pipe")
    ]

    assert found == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("mapfold.states.task", "from mapfold.local import server"),
        ("mapfold.states.task", "import mapfold.job"),
        ("mapfold.client.deploy", "from mapfold.local.store import rows"),
        ("mapfold.client.deploy", "from ..local import arns"),
        ("tasks.work", "from mapfold import client"),
        ("tasks.work", "from tasks import _client"),
        ("tasks.api", "from mapfold.cli import present"),
        ("tasks.work", "def handler():\n    import infra.app"),
        ("mapfold.job", "from mapfold.cli import main"),
        ("mapfold.cli.serve", "from mapfold.local.store import rows"),
    ],
)
def test_a_climb_is_found(module: str, line: str) -> None:
    """The rule sees plain, relative, and hidden imports alike."""
    assert len(climbs(module, line)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("mapfold.states.task", "from mapfold.errors import DefinitionError"),
        ("mapfold.local.engine.driver", "from mapfold.states import effects"),
        ("mapfold.cli.serve", "from mapfold.local.server import serve"),
        ("mapfold.cli.serve", "from mapfold.local import server"),
        ("tasks.work", "from mapfold import Job"),
        ("tasks.api", "from mapfold import client"),
        ("tasks.start", "from tasks._telemetry import observed"),
        ("mapfold.job", "from mapfold._loading import load_job"),
    ],
)
def test_a_descent_is_allowed(module: str, line: str) -> None:
    """Downwards and sideways is how the house is built."""
    assert climbs(module, line) == []
