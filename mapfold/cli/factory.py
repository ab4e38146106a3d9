"""Makes what commands need. Commands take a `Factory` from click's context, so that a test hands in another one."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapfold.client.values import Json
from mapfold.errors import JobError, MapfoldError, ServiceError, UsageError

if TYPE_CHECKING:
    from mapfold.client.aws import AwsClient
    from mapfold.client.triggers import Triggers
    from mapfold.job import Job, LoadedJobs


DEFAULT_DATA = Path(".mapfold")


def command_name(path: str) -> str:
    """How this command is called again: `mapfold` where the shell finds it, otherwise as it was called."""
    name = Path(path).name
    if name == "__main__.py":
        return "python -m mapfold"
    return name if shutil.which(name) else shlex.quote(path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command acts: `on` is "local" or "aws"; `data` is the embedded AWS's directory.

    stack: the one that the command line names; None is the usual one.
    """

    on: str
    data: Path
    profile: str | None = None
    region: str | None = None
    stack: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """An AWS that answers. `where`: in words. `is_own`: it ends with this command."""

    aws: AwsClient
    where: str
    is_local: bool
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Factory:
    """The real things: jobs from their folder, boto3, a server process."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    command: str = "mapfold"

    def typed(self, verb: str, run: str, place: Place) -> str:
        """The command line that looks at a run, as it can be pasted into the shell that this one came from."""
        words = [verb, run]
        if place.on == "aws":
            words += ["--on", "aws", *(["--profile", place.profile] if place.profile else [])]
            words += ["--region", place.region] if place.region else []
            words += ["--stack", place.stack] if place.stack not in (None, self._usual_stack) else []
        elif place.data != self._usual_data:
            words += ["--data", str(place.data)]
        return f"{self.command} {shlex.join(words)}"

    def goes_on(self, place: Place) -> str:
        """What lets runs go on that were cut off with an embedded AWS that ended, as a line for people."""
        data = () if place.data == self._usual_data else ("--data", str(place.data))
        command = f"{self.command} {shlex.join(('local', *data))}"
        return f"an unfinished run goes on while the embedded AWS serves its data: {command}"

    @property
    def _usual_data(self) -> Path:
        return Path(self.environment.get("MAPFOLD_DATA") or DEFAULT_DATA)

    @property
    def _usual_stack(self) -> str:
        from mapfold.client import DEFAULT_STACK

        return self.environment.get("MAPFOLD_STACK") or DEFAULT_STACK

    def jobs(self, folder: Path) -> LoadedJobs:
        """All jobs of a folder."""
        from mapfold.job import load_jobs

        return load_jobs(folder)

    def job(self, folder: Path, name: str) -> Job:
        """One job of a folder, by name."""
        from mapfold.job import load_job

        return load_job(folder, name)

    def definition(self, job: Job) -> dict[str, Json]:
        """The job's state machine, with `${…}` where ARNs go."""
        from workflows import build_definition

        return dict(build_definition(job))

    def rendered(self, job: Job) -> str:
        """The job's state machine as text. JobError with all that is wrong with it."""
        from workflows import checked_definition, render

        return str(render(checked_definition(job)))

    def deployed_definition(self, job: Job, substitutions: Mapping[str, str]) -> dict[str, Json]:
        """The job's state machine with ARNs in their places."""
        from workflows import substitute

        return dict(substitute(self.definition(job), substitutions))

    def source_digest(self, jobs_folder: Path) -> str:
        """A digest of the code that the job's functions run."""
        from mapfold.client import source_digest

        return source_digest([jobs_folder, *_code_folders(jobs_folder.resolve().parent)])

    def shared_digest(self, jobs_folder: Path) -> str:
        """A digest of the code that the functions run which all jobs share."""
        from mapfold.client import source_digest

        return source_digest(_code_folders(jobs_folder.resolve().parent))

    def triggers(self, connection: Connection) -> Triggers:
        """What starts runs there."""
        from mapfold.client.triggers import Triggers

        return Triggers(connection.aws)

    def example(self, job: Job, connection: Connection) -> str | None:
        """Let the job put its example into the embedded AWS; gives the SOURCE, or None if it has no example."""
        if job.example_function is None:
            return None
        from mapfold.client.aws import speaking
        from mapfold.context import Context
        from mapfold.storage import Storage

        storage = Storage(connection.aws.s3_client())
        context = Context(job=job.name, run_id="example", storage=storage, tables=job.tables)
        try:
            with speaking():
                return str(job.example_function(context))
        except MapfoldError:
            raise
        except Exception as error:
            raise JobError(
                f"it raised {type(error).__name__}: {error}", at=f"job {job.name!r}, @job.example", fix="Mend it"
            ) from error

    @contextmanager
    def connect(self, place: Place, note: Callable[[str], None]) -> Iterator[Connection]:
        """The AWS that `place` means, for as long as the block runs."""
        from mapfold.client import AwsClient, aws_target, environment_target, local_target, stack_target

        if place.on == "aws":
            aws = AwsClient(aws_target(profile=place.profile, region=place.region, environment=self.environment))
            stack = place.stack or self._usual_stack
            yield Connection(aws.at(stack_target(aws, stack)), f"AWS, {aws.region}, stack {stack}", is_local=False)
            return
        if place.profile or place.region or place.stack:
            raise UsageError("--profile, --region and --stack say where on AWS: add --on aws")
        chosen = environment_target(self.environment)
        if chosen is not None:
            place_said = f"AWS_ENDPOINT_URL_SFN={chosen.endpoints['stepfunctions']}"
            with _hint_if_unreachable(
                "AWS_ENDPOINT_URL… are set: start `mapfold local` there, or unset them. A run that it had begun goes on "
                "when it is started again over the same data."
            ):
                yield Connection(AwsClient(chosen), place_said, True)
            return
        from mapfold.cli.embedded import embedded_aws

        with embedded_aws(place.data, environment=self.environment, note=note) as (endpoints, is_own):
            target = local_target(
                service_url=endpoints.service_url,
                aws_url=endpoints.aws_url,
                environment=self.environment,
                region=endpoints.region,
            )
            running = "started for this command" if is_own else f"running at {endpoints.service_url}"
            where = f"the embedded AWS, {running} (data in {place.data})"
            ended = "" if is_own else f"The embedded AWS that was {running} has ended; {self.goes_on(place)}"
            with _hint_if_elsewhere(self.environment, ended):
                yield Connection(AwsClient(target), where, True, is_own)


@contextmanager
def _hint_if_unreachable(hint: str) -> Iterator[None]:
    from mapfold.client import Unreachable

    try:
        yield
    except Unreachable as error:
        raise Unreachable(_with_hint(error, hint), code=error.code) from error


@contextmanager
def _hint_if_elsewhere(environment: Mapping[str, str], hint: str) -> Iterator[None]:
    """Say what the environment puts in the embedded AWS's place, when that does not answer or wants credentials.

    Where it is the embedded AWS that does not answer, `hint` is said, if there is one.
    """
    from mapfold.client import Unreachable, elsewhere

    others = elsewhere(environment)
    try:
        yield
    except Unreachable as error:
        silent = [other for other in others if other.partition("=")[2].rstrip("/") in str(error)]
        hint = _puts_elsewhere(silent) if silent else hint
        if not hint:
            raise
        raise Unreachable(_with_hint(error, hint), code=error.code) from error
    except ServiceError as error:
        if not others or error.code != "NoCredentialsError":
            raise
        raise ServiceError(_with_hint(error, _puts_elsewhere(others)), code=error.code) from error


def _puts_elsewhere(others: Sequence[str]) -> str:
    return f"The environment puts another service in its place, {', '.join(others)}: unset that, unless it is meant."


def _with_hint(error: ServiceError, hint: str) -> str:
    return f"{str(error).removesuffix('.')}. {hint}"


def _code_folders(root: Path) -> list[Path]:
    """Where a function that runs in `root` finds `mapfold` and `tasks`: there, or where they are installed."""
    return [folder for name in ("mapfold", "tasks") if (folder := _package_folder(root, name)) is not None]


def _package_folder(root: Path, name: str) -> Path | None:
    if (root / name).is_dir():
        return root / name
    spec: Any = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None
