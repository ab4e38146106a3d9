"""From a stage and a folder of jobs to CloudFormation templates and assets, in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.config import STAGES_FILE, Stage, load_stage
from infra.errors import ConfigurationError, Finding
from infra.package import BUILD, ROOT, Packages
from infra.requirements import Requirements
from infra.tables import RECORD, check_record, declared_tables, write_record
from mapfold.job import LoadedJobs, load_jobs

CDK_JSON = ROOT / "cdk.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be synthesized, and where to. A test orders with files of its own."""

    stage: str
    jobs_folder: Path = Path("jobs")
    stages_file: Path = STAGES_FILE
    tables_record: Path = RECORD
    build: Path = BUILD

    @property
    def output(self) -> Path:
        """The cloud assembly."""
        return self.build / "cdk.out" / self.stage


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What came of it. `template` is the stack's, as CloudFormation gets it."""

    stage: Stage
    jobs: LoadedJobs
    output: Path
    template: Mapping[str, Any]
    new_tables: bool


def synthesize(order: Order) -> Synthesized:
    """Build the stack. Node has to be found before: `infra.node.use_bundled_node`."""
    from aws_cdk import App, Environment

    from infra.stack import MapfoldStack

    stage = load_stage(order.stage, order.stages_file)
    jobs = load_jobs(order.jobs_folder)
    if jobs.errors:
        raise ConfigurationError([Finding(error.at, error.problem, error.fix) for error in jobs.errors])
    tables = check_record(jobs.values(), order.tables_record)
    requirements = Requirements(order.build)
    app = App(outdir=str(order.output), context=json.loads(CDK_JSON.read_text())["context"])
    stack = MapfoldStack(
        app,
        stage=stage,
        jobs=jobs,
        tables=declared_tables(jobs.values()),
        packages=Packages(order.jobs_folder, requirements, build=order.build),
        requirements=requirements,
        environment=Environment(account=stage.account, region=stage.region) if stage.region else None,
    )
    app.synth()
    template = json.loads((order.output / stack.template_file).read_text())
    changed = write_record(tables, order.tables_record)
    return Synthesized(stage, jobs, order.output, template, changed)
