"""What Mapfold raises.

MapfoldError
├── DefinitionError     a state machine does not follow the States Language   exit 2
├── JobError            a module in jobs/ is not a job, or its values are not JSON   exit 2
│   └── BuiltDefinitionError   what workflows/definition.py builds is refused    exit 2
├── UsageError          the command line asked for something impossible       exit 2
└── ServiceError        AWS, or its stand-in, refused a call or is not there  exit 1

A failed task, item or child is not here: inside an execution, failure is a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MapfoldError(Exception):
    """The root: `exit_code` is what the command line ends with when nobody handles it."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition.

    `code` and `text` follow the wording of AWS's CreateStateMachine where a recording shows it;
    `at` is a place such as `/States/Map/Catch[0]/Next` (`/` for the whole), or None for what has no place.
    """

    code: str
    text: str
    at: str | None

    def __str__(self) -> str:
        """As the service puts it into an InvalidDefinition, `null` included."""
        return f"{self.code}: {self.text} at {'null' if self.at is None else self.at}"


class DefinitionError(MapfoldError):
    """A state machine definition breaks the States Language. `problems` holds all of them, in the order of the service."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class JobError(MapfoldError):
    """A job is declared wrongly, or a value that it handed over cannot be carried as JSON.

    `at` says where (`jobs/flights.py, job 'flights', @job.map`), `fix` what to do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, at: str, fix: str) -> None:
        super().__init__(f"{at}: {problem}. {fix}.")
        self.problem, self.at, self.fix = problem, at, fix


class BuiltDefinitionError(JobError):
    """The state machine that `workflows/definition.py` builds for a job is none, or AWS refused it."""

    def __init__(self, problem: str, *, job: str) -> None:
        file = "workflows/definition.py"
        super().__init__(problem, at=f"{file}, job {job!r}", fix=f"Mend {file}")


class UsageError(MapfoldError):
    """A command was asked for something that cannot be: an unknown job, a source that is no URI."""

    exit_code = 2


class ServiceError(MapfoldError):
    """AWS, or its stand-in, refused a call (`code` is the service's error code) or could not be reached."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code
