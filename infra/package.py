"""What a function is deployed with: the modules that its handler imports, and nothing else. No Docker.

1. `closure` follows the imports of the handler, from file to file, those inside functions too.
2. `Packages` copies these files, a job's module, and what its `requirements` name, into a folder under `build/`. The
   folder is named by a digest of what is in it, so that the same code is the same asset on every machine.

boto3 is in Lambda's runtime, Powertools and the X-Ray SDK are in a layer.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from infra.errors import Finding
from infra.foreign_imports import missing_imports
from infra.requirements import Requirements
from mapfold.job import Job

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"

MOST_UNZIPPED_BYTES = 262_144_000
"""Lambda's quota for a function and its layers, unpacked: 250 MB."""

LAYER_BYTES = 40_000_000
"""Kept of it for Powertools' layer. What we bundle has 13 MB; the public one, with all extras, is not looked into here."""

WITHOUT_JOB = frozenset({"isolate", "close"})
"""Handlers of a job that do not load its module: Isolate looks at batches alone, Close notes that the job is broken."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where modules of ours are looked for: by the first part of their name, the folder that holds that package."""

    folders: Mapping[str, Path]

    def find(self, module: str) -> Path | None:
        """The file of a module; of a package, its `__init__.py`. None for what is not ours, or is a plain folder."""
        top = module.partition(".")[0]
        if top not in self.folders:
            return None
        path = self.folders[top].joinpath(*module.split("."))
        candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def place(self, module: str) -> str:
        """Where in a package the file of a module goes."""
        path = self.find(module)
        assert path is not None
        return path.relative_to(self.folders[module.partition(".")[0]]).as_posix()


def closure(entry: str, sources: Sources) -> dict[str, Path]:
    """The files that importing the module `entry` may import, by their place in a package."""
    files: dict[str, Path] = {}
    waiting = [entry]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting += [parent for parent in _parents(module) if parent not in seen]
        path = sources.find(module)
        if path is not None:
            files[sources.place(module)] = path
            waiting += imported(module, path)
    return files


def imported(module: str, path: Path) -> tuple[str, ...]:
    """What a module may import when it runs: also what a function of it imports, but nothing only for type checkers.

    `from a import b` gives `a` and `a.b`: which of them is a module, is seen when it is looked for.
    """
    return _imported(module, path.read_text(), path.name == "__init__.py")


@cache  # the same modules are in the packages of all functions: parsing them each time takes as long as all of CDK
def _imported(module: str, source: str, is_package: bool) -> tuple[str, ...]:
    return tuple(_imports(module, source, is_package))


def _imports(module: str, source: str, is_package: bool) -> Iterator[str]:
    for node in _running(ast.parse(source, module)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                origin = node.module or ""
                if node.level:
                    package = module.split(".")[: -node.level + is_package or None]
                    origin = ".".join([*package, origin] if origin else package)
                yield origin
                yield from (f"{origin}.{alias.name}" for alias in node.names)


class Packages:
    """The packages of a deployment, made as they are asked for."""

    def __init__(
        self, jobs_folder: Path, requirements: Requirements, *, root: Path = ROOT, build: Path = BUILD
    ) -> None:
        self._jobs_folder = jobs_folder.resolve()
        self._requirements = requirements
        self._build = build
        ours = dict.fromkeys(("mapfold", "workflows", "tasks"), root)
        self._sources = Sources({**ours, self._jobs_folder.name: self._jobs_folder.parent})

    @property
    def jobs_name(self) -> str:
        """The folder of a package that the job's module is in: MAPFOLD_JOBS."""
        return self._jobs_folder.name

    def of_job(self, job: Job, handler: str) -> Path:
        """The package of one of a job's functions."""
        files = closure(f"tasks.{handler}", self._sources)
        if handler in WITHOUT_JOB:
            return self._written(files)
        return self._written({**self._brought(job), **files, **self._modules(job)})

    def missing_imports(self, job: Job) -> list[Finding]:
        """What the job's own modules import that none of its functions will have."""
        own = {place: path for place, path in self._modules(job).items() if place.startswith(f"{self.jobs_name}/")}
        brought = {place.partition("/")[0].removesuffix(".py") for place in self._brought(job)}
        return list(missing_imports(job.name, own, brought | self._sources.folders.keys()))

    def too_large(self, job: Job) -> Iterator[Finding]:
        """That the job's packages are more than Lambda unpacks, if so: they are what makes a function large."""
        files = {**self._brought(job), **closure("tasks.work", self._sources), **self._modules(job)}
        size, room = sum(path.stat().st_size for path in files.values()), MOST_UNZIPPED_BYTES - LAYER_BYTES
        if size > room:
            found = f"its functions have {size:,} bytes, and Lambda takes {room:,} beside the layer of Powertools"
            fix = "Require fewer or smaller packages, or let its code fetch from S3 what is data"
            yield Finding(f"job {job.name!r}", found, fix)

    def _modules(self, job: Job) -> dict[str, Path]:
        return closure(f"{self.jobs_name}.{Path(job.file).stem}", self._sources)

    def _brought(self, job: Job) -> dict[str, Path]:
        """The files of the packages that the job requires."""
        installed = self._requirements.of_job(job)
        return _files_under(installed) if installed else {}

    def of_shared(self, handler: str) -> Path:
        """The package of a function that belongs to no job."""
        return self._written(closure(f"tasks.{handler}", self._sources))

    def _written(self, files: Mapping[str, Path]) -> Path:
        contents = {place: files[place].read_bytes() for place in sorted(files)}
        digest = hashlib.sha256()
        for place, content in contents.items():
            digest.update(f"{place}\0{len(content)}\0".encode() + content)
        folder = self._build / "packages" / digest.hexdigest()[:16]
        if not folder.is_dir():
            _put(contents, folder)
        return folder


def _put(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write aside, then rename: a command that runs at the same time sees all of it or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        aside.chmod(0o755)
        for place, content in contents.items():
            path = aside / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        os.rename(aside, folder)
    except OSError:
        if not folder.is_dir():  # otherwise the other command was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _files_under(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _parents(module: str) -> list[str]:
    parts = module.split(".")[:-1]
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            for other in node.orelse:
                yield other
                yield from _running(other)
            continue
        yield node
        yield from _running(node)


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False
