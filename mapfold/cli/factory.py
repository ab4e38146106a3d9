"""Makes what commands need. Commands take a `Factory` from click's context, so that a test hands in another one."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapfold.client.values import Json
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from mapfold.client.aws import AwsClient
    from mapfold.job import Job, LoadedJobs


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command acts: `on` is "local" or "aws"; `data` is the embedded AWS's directory."""

    on: str
    data: Path
    profile: str | None = None
    region: str | None = None


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
        """The job's state machine as text."""
        from workflows import render

        return str(render(self.definition(job)))

    def deployed_definition(self, job: Job, substitutions: Mapping[str, str]) -> dict[str, Json]:
        """The job's state machine with ARNs in their places."""
        from workflows import substitute

        return dict(substitute(self.definition(job), substitutions))

    def source_digest(self, jobs_folder: Path) -> str:
        """A digest of the code that the job's functions run."""
        from mapfold.client import source_digest

        return source_digest([jobs_folder, *_code_folders(jobs_folder.resolve().parent)])

    def example(self, job: Job, connection: Connection) -> str | None:
        """Let the job put its example into the embedded AWS; gives the SOURCE, or None if it has no example."""
        if job.example_function is None:
            return None
        from mapfold.context import Context
        from mapfold.storage import Storage

        storage = Storage(connection.aws.s3_client())
        context = Context(job=job.name, run_id="example", storage=storage, tables=job.tables)
        return str(job.example_function(context))

    @contextmanager
    def connect(self, place: Place, note: Callable[[str], None]) -> Iterator[Connection]:
        """The AWS that `place` means, for as long as the block runs."""
        from mapfold.client import AwsClient, aws_target, environment_target, local_target

        if place.on == "aws":
            aws = AwsClient(aws_target(profile=place.profile, region=place.region, environment=self.environment))
            yield Connection(aws, f"AWS, {aws.region}", is_local=False)
            return
        if place.profile or place.region:
            raise UsageError("--profile and --region say where on AWS: add --on aws")
        chosen = environment_target(self.environment)
        if chosen is not None:
            yield Connection(AwsClient(chosen), f"AWS_ENDPOINT_URL_SFN={chosen.endpoints['stepfunctions']}", True)
            return
        from mapfold.cli.embedded import embedded_aws

        with embedded_aws(place.data, environment=self.environment, note=note) as (endpoints, is_own):
            target = local_target(
                service_url=endpoints.service_url, aws_url=endpoints.aws_url, environment=self.environment
            )
            running = "started for this command" if is_own else f"running at {endpoints.service_url}"
            yield Connection(AwsClient(target), f"the embedded AWS, {running} (data in {place.data})", True, is_own)


def _code_folders(root: Path) -> list[Path]:
    """Where a function that runs in `root` finds `mapfold` and `tasks`: there, or where they are installed."""
    return [folder for name in ("mapfold", "tasks") if (folder := _package_folder(root, name)) is not None]


def _package_folder(root: Path, name: str) -> Path | None:
    if (root / name).is_dir():
        return root / name
    spec: Any = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None
