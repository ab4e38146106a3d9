"""A factory whose AWS lives in dicts, and jobs that need no module."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from mapfold.cli.app import mapfold
from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Streams
from mapfold.client.values import Json
from mapfold.errors import JobError, UsageError
from tests.unit.client.fakes import FakeAws, FakeTriggers


@dataclass
class FakeSource:
    """Takes any URI but one that is none."""

    key_name: str = "Key"
    kind: str = "one object"
    names_objects: bool = True
    starts_by_upload: bool = True

    def parse_uri(self, uri: str) -> dict[str, str]:
        if not uri.startswith("s3://"):
            raise UsageError(f"the source {uri!r} is no S3 URI")
        return {"uri": uri}


@dataclass
class FakeJob:
    """What the command line reads of a job."""

    name: str = "flights"
    source: FakeSource = field(default_factory=FakeSource)
    tables: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"daily": ("carrier", "day")})
    timeout_seconds: int = 60
    memory_mb: int = 512
    environment: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    most_at_once: int | None = None
    on_duplicate: str = "twice"
    result_kind: str = "value"
    example_function: Callable[..., str] | None = None

    def child_type(self) -> tuple[str, str]:
        return "EXPRESS", "it fits into 5 minutes"

    def tolerance(self) -> str:
        return "0 items"


class LoadedFakes(dict[str, FakeJob]):
    errors: tuple[JobError, ...] = ()


@dataclass(frozen=True)
class FakeFactory(Factory):
    """Hands out the fakes, and notes where a connection was asked for."""

    aws: FakeAws = field(default_factory=FakeAws)
    known: LoadedFakes = field(default_factory=lambda: LoadedFakes(flights=FakeJob()))
    places: list[Place] = field(default_factory=list)
    is_own: bool = False
    made: FakeTriggers = field(default_factory=FakeTriggers)

    def jobs(self, folder: Path) -> Any:
        return self.known

    def job(self, folder: Path, name: str) -> Any:
        if name not in self.known:
            raise UsageError(f"no job {name!r} in {folder}")
        return self.known[name]

    def definition(self, job: Any) -> dict[str, Json]:
        return {"StartAt": "Plan", "States": {}}

    def rendered(self, job: Any) -> str:
        return json.dumps(self.definition(job), indent=2) + "\n"

    def deployed_definition(self, job: Any, substitutions: Mapping[str, str]) -> dict[str, Json]:
        return self.definition(job)

    def source_digest(self, jobs_folder: Path) -> str:
        return "digest"

    def shared_digest(self, jobs_folder: Path) -> str:
        return "shared"

    def triggers(self, connection: Connection) -> Any:
        return self.made

    def example(self, job: Any, connection: Connection) -> str | None:
        return str(job.example_function(None)) if job.example_function else None

    @contextmanager
    def connect(self, place: Place, note: Callable[[str], None]) -> Iterator[Connection]:
        self.places.append(place)
        yield Connection(cast(Any, self.aws), "an AWS in dicts", is_local=place.on == "local", is_own=self.is_own)


@dataclass(frozen=True)
class Said:
    """How a command ended and what it wrote."""

    code: object
    out: str
    err: str
    error: BaseException | None


def call(factory: Factory, *arguments: str) -> Said:
    """Call a command with a factory. An error that `main` would say is in `error`."""
    out, err = io.StringIO(), io.StringIO()
    result = CliRunner().invoke(mapfold, list(arguments), obj=(factory, Streams(out, err)), standalone_mode=False)
    code = result.return_value if result.exception is None else getattr(result.exception, "exit_code", 1)
    return Said(code, out.getvalue(), err.getvalue(), result.exception)
