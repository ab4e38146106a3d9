"""A job's definition, as `definition.py` builds it: what is wrong with it is its author's to mend, and said so.

build_definition    calls it; a mistake in its Python is a JobError with file and line
checked_definition  also lets the States Language judge what came of it, before it is shown or written anywhere
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapfold.errors import BuiltDefinitionError, DefinitionError, JobError, UsageError
from workflows.placeholders import PLACEHOLDERS
from workflows.rendering import substitute

if TYPE_CHECKING:
    from mapfold.job import Job

_HERE = Path(__file__).parent
_OURS = tuple(_HERE / name for name in ("__init__.py", "__main__.py", "building.py", "rendering.py"))
_ANY_VALUE = "arn:aws:lambda:us-east-1:123456789012:function:any"


def build_definition(job: Job) -> dict[str, Any]:
    """The definition, with `${…}` where ARNs go. JobError where `definition.py` has a mistake."""
    with authored():
        from workflows import definition  # here: it may not even compile

        built: Any = definition.build_definition(job)
    if not isinstance(built, dict):
        raise BuiltDefinitionError(f"build_definition gave {type(built).__name__}, which is no dict", job=job.name)
    try:
        json.dumps(built, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BuiltDefinitionError(f"what build_definition gave is no JSON: {error}", job=job.name) from error
    try:
        substitute(built, dict.fromkeys(PLACEHOLDERS, _ANY_VALUE))
    except UsageError as error:
        problem = f"{str(error).removesuffix('.')}. Placeholders are: {', '.join(PLACEHOLDERS)}"
        raise BuiltDefinitionError(problem, job=job.name) from error
    return built


def checked_definition(job: Job) -> dict[str, Any]:
    """The definition, if the States Language has nothing against it: JobError with all problems and their places.

    Which actions the services have, and which parameters these take, only the AWS that makes the machine knows.
    """
    from mapfold.states import compile_machine  # here: it takes a third of a second, which running a job does not need

    built = build_definition(job)
    try:
        compile_machine(substitute(built, dict.fromkeys(PLACEHOLDERS, _ANY_VALUE)))
    except DefinitionError as error:
        raise BuiltDefinitionError(f"the state machine is invalid: {error}", job=job.name) from error
    return built


@contextmanager
def authored() -> Iterator[None]:
    """Within the block, an error that comes out of the folder's own Python is a JobError that says where."""
    try:
        yield
    except (JobError, UsageError):
        raise
    except (Exception, SystemExit) as error:  # Python of others can raise anything
        at = _place_of(error)
        if at is None:
            raise
        said = error.msg if isinstance(error, SyntaxError) else error
        raise JobError(f"{type(error).__name__}: {said}", at=at, fix=f"Mend {at.partition(':')[0]}") from error


def _place_of(error: BaseException) -> str | None:
    """File and line of the author's code that an error came through last; None if it did not."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename or "", error.lineno))
    places = [(Path(name), line) for name, line in frames if _is_authored(Path(name))]
    if not places:
        return None
    path, line = places[-1]
    return f"{path.relative_to(_HERE.parent).as_posix()}:{line}"


def _is_authored(path: Path) -> bool:
    return path.is_relative_to(_HERE) and path not in _OURS
