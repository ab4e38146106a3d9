"""From a stage and a folder of jobs to CloudFormation's template and the assets, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.config import STAGES_FILE, Stage, load_stage
from infra.errors import ConfigurationError, Finding
from infra.limits import check_template
from infra.package import BUILD, ROOT, Packages
from infra.requirements import Requirements
from infra.tables import RECORD, check_record, declared_tables, write_record
from mapfold.errors import JobError
from mapfold.function_settings import environment_mistake
from mapfold.job import Job, LoadedJobs, load_jobs
from workflows import authored, checked_definition

if TYPE_CHECKING:
    from aws_cdk import App

CDK_JSON = ROOT / "cdk.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be synthesized, from which files, and where to. A test has files of its own."""

    stage: str
    jobs_folder: Path = ROOT / "jobs"
    stages_file: Path = STAGES_FILE
    tables_record: Path = RECORD
    build: Path = BUILD
    outdir: Path | None = None
    account: str | None = None
    region: str | None = None

    @property
    def output(self) -> Path:
        """The folder of the cloud assembly."""
        return self.outdir or self.build / "cdk.out" / self.stage


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What came of it. template: the stack's, as CloudFormation gets it. records_tables: tables.json has changed."""

    stage: Stage
    jobs: LoadedJobs
    output: Path
    template: Mapping[str, Any]
    records_tables: bool


def synthesize(order: Order, *, check: Callable[[App], object] | None = None) -> Synthesized:
    """Build the stage's stack. ConfigurationError with all that is wrong, before any construct is made.

    Node has to be found before: `infra.node.use_bundled_node`. check: is handed the app before it is synthesized, to
    add what judges the constructs.
    """
    stage = load_stage(order.stage, order.stages_file)
    jobs = load_jobs(order.jobs_folder)
    findings = [Finding(error.at, error.problem, error.fix) for error in jobs.errors]
    if not jobs and not jobs.errors:
        findings.append(
            Finding(f"{order.jobs_folder.name}/", "there is no job in it", "Write one, or name a folder with --jobs")
        )
    findings += _mistaken_overrides(stage, jobs, order)
    findings += _mistaken_definitions(jobs)
    requirements = Requirements(order.build)
    packages = Packages(order.jobs_folder, requirements, build=order.build)
    findings += [each for job in jobs.values() for each in (*packages.missing_imports(job), *packages.too_large(job))]
    if findings:
        raise ConfigurationError(findings)
    tables = check_record(jobs.values(), order.tables_record)
    with authored():
        template = _build(order, stage, jobs, packages, requirements, check)
    check_template(template, jobs)
    return Synthesized(stage, jobs, order.output, template, write_record(tables, order.tables_record))


def _build(
    order: Order,
    stage: Stage,
    jobs: LoadedJobs,
    packages: Packages,
    requirements: Requirements,
    check: Callable[[App], object] | None,
) -> Mapping[str, Any]:
    from aws_cdk import App, Environment  # needs JSII_NODE, and a second

    from infra.stack import MapfoldStack

    context = {**json.loads(CDK_JSON.read_text())["context"], **_OURS}
    app = App(outdir=str(order.output), context=context)
    stack = MapfoldStack(
        app,
        stage=stage,
        jobs=jobs,
        tables=declared_tables(jobs.values()),
        packages=packages,
        requirements=requirements,
        environment=Environment(account=stage.account or order.account, region=stage.region or order.region),
    )
    if check is not None:
        check(app)
    app.synth()
    template: Mapping[str, Any] = json.loads((order.output / stack.template_file).read_text())
    return template


_OURS = {
    "aws:cdk:enable-path-metadata": True,  # as the `cdk` command sets it: the console shows constructs by it
    "@aws-cdk/core:stackResourceLimit": 0,  # `check_template` says how many jobs fit
}


def _mistaken_definitions(jobs: Mapping[str, Job]) -> list[Finding]:
    """What is wrong with the jobs' state machines; a mistake in the Python that builds them all is told once."""
    mistakes = []
    for job in jobs.values():
        try:
            checked_definition(job)
        except JobError as error:
            mistakes.append(Finding(error.at, error.problem, error.fix))
    return list(dict.fromkeys(mistakes))


def _mistaken_overrides(stage: Stage, jobs: Mapping[str, Job], order: Order) -> Iterator[Finding]:
    """What a stage says of a job that does not fit the job's own declaration."""
    shown = f"{order.stages_file.parent.name}/{order.stages_file.name}, {stage.name}.jobs"
    for name, overrides in stage.jobs.items():
        at = f"{shown}.{name}"
        job = jobs.get(name)
        if job is None:
            fix = f"There are: {', '.join(jobs) or 'none'}. Rename it, or remove the table"
            yield Finding(at, f"{order.jobs_folder.name}/ has no such job", fix)
            continue
        if overrides.timeout_seconds and overrides.timeout_seconds > job.timeout_seconds:
            found = f"it is {overrides.timeout_seconds}, and the state machine waits {job.timeout_seconds} s"
            fix = f"Raise timeout_seconds in {Path(job.file).parent.name}/{Path(job.file).name}, or lower this one"
            yield Finding(f"{at}.timeout_seconds", found, fix)
        merged = {**job.environment, **overrides.environment}
        if overrides.environment and (mistake := environment_mistake(merged)):
            found, fix = mistake
            yield Finding(f"{at}.environment", f"with the job's own, {found}", fix)
        for table in overrides.expiry:
            if table not in job.tables:
                fix = f"It has: {', '.join(job.tables) or 'none'}"
                yield Finding(f"{at}.expiry", f"the job declares no table {table!r}", fix)
