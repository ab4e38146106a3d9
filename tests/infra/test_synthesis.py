"""From files to a template: what is wrong stops it before anything is built, with where and what to write instead."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.foreign_imports import missing_imports
from infra.node import cdk_command
from infra.package import LAYER_BYTES
from infra.synthesis import CDK_JSON, Order, synthesize
from tests.infra.deployed import Deployed
from workflows import definition

ASK = {"Type": "Pass", "Next": "Isolatedd?"}

JOB = """
from mapfold import Job, Manifest

job = Job("counts", source=Manifest(), tables={"seen": ("key",)}, timeout_seconds=60)


@job.map
def count(item, context):
    return 1


@job.fold
def add(one, other):
    return one + other
"""


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """A folder with one job, a stage that says nothing, and no record of tables."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    (jobs / "counts.py").write_text(JOB)
    (tmp_path / "stages.toml").write_text("[dev]\n")
    return Order(
        "dev",
        jobs_folder=jobs,
        stages_file=tmp_path / "stages.toml",
        tables_record=tmp_path / "tables.json",
        build=tmp_path,
    )


def problems(order: Order) -> str:
    """What synth says. Nothing was built."""
    with pytest.raises(ConfigurationError) as raised:
        synthesize(order)
    assert not order.output.exists()
    return str(raised.value)


def test_a_job_that_lambda_cannot_unpack_stops_synth(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because nothing is left beside the layer."""
    monkeypatch.setattr("infra.package.MOST_UNZIPPED_BYTES", LAYER_BYTES)

    assert problems(order).startswith("job 'counts': its functions have ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jobs.count.memory_mb = 512", "dev.jobs.count: jobs/ has no such job. There are: counts. Rename it"),
        (
            "jobs.counts.timeout_seconds = 90",
            "it is 90, and the state machine waits 60 s. Raise timeout_seconds in jobs/counts.py, or lower this one.",
        ),
        ('jobs.counts.expiry = { days = "at" }', "the job declares no table 'days'. It has: seen."),
        (
            'jobs.counts.environment = { MAPFOLD_JOB = "x" }',
            "environment has MAPFOLD_JOB, which is Mapfold's own. Give it",
        ),
        (
            'jobs.counts.environment = { A = "x" }',
            "dev.jobs.counts.environment: with the job's own, environment has 'A'.",
        ),
        ("jobs.counts.memory_mb = 100", "dev.jobs.counts.memory_mb: it is 100. Use a whole number of MB"),
    ],
)
def test_a_stage_that_does_not_fit_its_jobs_is_said(order: Order, line: str, said: str) -> None:
    """The key of stages.toml, and what the job declares."""
    order.stages_file.write_text(f"[dev]\n{line}\n")

    assert said in problems(order)


def test_a_memory_that_lambda_does_not_offer_is_said_where_the_job_declares_it(order: Order) -> None:
    """File and line of the declaration."""
    module = order.jobs_folder / "counts.py"
    module.write_text(JOB.replace("timeout_seconds=60", "memory_mb=64"))

    assert problems(order) == (
        "jobs/counts.py:4, job 'counts': memory_mb is 64. Use a whole number from 128 to 10,240."
    )


def test_every_broken_job_is_said(order: Order) -> None:
    """A deployment without one of them would be a surprise."""
    (order.jobs_folder / "empty.py").write_text("")
    (order.jobs_folder / "wrong.py").write_text("import nowhere")

    assert [line.split(":")[0] for line in problems(order).splitlines()] == ["jobs/empty.py", "jobs/wrong.py"]


def test_a_folder_without_jobs_is_said(order: Order) -> None:
    """A stage of nothing could not be started: roles would have statements about no resource."""
    (order.jobs_folder / "counts.py").unlink()

    assert problems(order) == "jobs/: there is no job in it. Write one, or name a folder with --jobs."


def test_a_table_whose_key_changed_is_said(order: Order) -> None:
    """CloudFormation would replace it, and its data with it."""
    order.tables_record.write_text(json.dumps({"seen": ["bucket", "key"]}))

    assert "job 'counts', table 'seen': its key is (key), and (bucket, key) in " in problems(order)


def test_an_invalid_state_machine_is_said(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each job, with the places of what is wrong."""
    monkeypatch.setattr(definition, "build_definition", lambda job: {"StartAt": "Ask", "States": {"Ask": ASK}})

    assert problems(order).startswith("workflows/definition.py, job 'counts': the state machine is invalid: ")
    assert "Missing 'Next' target: Isolatedd? at /States/Ask/Next" in problems(order)


def test_a_mistake_in_the_python_of_a_state_machine_is_said_once(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs have it in common."""
    (order.jobs_folder / "others.py").write_text(JOB.replace('"counts"', '"others"').replace("seen", "had"))
    monkeypatch.setattr(definition, "_plan_and_map", None)

    assert re.fullmatch(
        r"workflows/definition\.py:\d+: TypeError: 'NoneType' object is not callable\. Mend workflows/definition\.py\.",
        problems(order),
    )


def test_a_package_that_no_lambda_has_is_said_where_it_is_imported(order: Order) -> None:
    """boto3 and Powertools are there; what else a job imports, it names in its requirements."""
    (order.jobs_folder / "counts.py").write_text("import boto3\nimport pyarrow.csv\n" + JOB)

    assert problems(order) == (
        "jobs/counts.py:2: it imports pyarrow, which neither Lambda's Python nor the Powertools layer has. Name it in a lock "
        'file with hashes beside the module, and write Job("counts", requirements="counts.lock").'
    )


@pytest.mark.parametrize(
    "line",
    [
        "import json",
        "import aws_lambda_powertools",
        "from jobs import _own",
        "try:\n    import orjson\nexcept ImportError:\n    pass",
    ],
)
def test_other_imports_are_well(order: Order, line: str) -> None:
    """The standard library, the layer, the jobs' own helpers, and what a module can do without."""
    (order.jobs_folder / "_own.py").write_text("")
    module = order.jobs_folder / "counts.py"
    module.write_text(f"{line}\n")

    assert list(missing_imports("counts", {"jobs/counts.py": module}, {"jobs", "mapfold"})) == []


def test_the_cdk_command_reads_what_was_synthesized(stage: Deployed) -> None:
    """Library and command have versions of their own; the one must know the other's assembly."""
    said = subprocess.run(
        [*cdk_command(), "list", "--app", str(stage.assembly)],
        capture_output=True,
        text=True,
        check=False,
        cwd=CDK_JSON.parent,
    )

    assert (said.returncode, said.stdout.split()) == (0, ["mapfold-dev"]), said.stderr
