"""The state machines of a stage: what `workflows` builds, what the embedded AWS runs, what others call valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.node import bundled_node
from mapfold.client.arns import function_arn
from mapfold.client.deploy import substitutions
from tests.infra.deployed import Deployed
from tests.infra.there import BUNDLED, JOBS
from workflows import build_definition, substitute

VALIDATOR = (
    Path(__file__).parent / "asl_validator" / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"
)
REGION, ACCOUNT = "eu-west-1", "123456789012"


def deployed_definition(stage: Deployed, job: str) -> Any:
    """The definition in the template, once CloudFormation has put ARNs and names in: those of the embedded AWS."""
    machine = stage.machine(job)
    values = {name: embedded_value(stage, job, value) for name, value in machine["DefinitionSubstitutions"].items()}
    text = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], machine["DefinitionString"])
    return json.loads(text)


def embedded_value(stage: Deployed, job: str, value: dict[str, Any]) -> str:
    """What the embedded AWS has for a reference of the template: a function's ARN, or the runs bucket."""
    if value == stage.outputs["RunsBucket"]:
        return "mapfold-runs"
    function = stage.named("AWS::Lambda::Function", value["Fn::GetAtt"][0])
    role = function["Handler"].split(".")[1]
    assert function["Environment"]["Variables"]["MAPFOLD_JOB"] == job
    return function_arn(job, role, region=REGION, account=ACCOUNT)


def test_every_job_of_the_project_and_its_tests_is_deployed(stage: Deployed) -> None:
    """The checks below look at all of them."""
    assert tuple(stage.jobs) == JOBS
    assert set(BUNDLED) <= set(JOBS)
    assert stage.jobs.errors == []


@pytest.mark.parametrize("job", JOBS)
def test_the_deployed_definition_is_the_one_that_the_embedded_aws_ran(stage: Deployed, job: str) -> None:
    """After substitution nothing differs, but that the ARNs and names are another place's."""
    values = substitutions(job, region=REGION, account=ACCOUNT, runs_bucket="mapfold-runs")

    assert deployed_definition(stage, job) == substitute(build_definition(stage.jobs[job]), values)


@pytest.mark.parametrize("job", JOBS)
def test_a_state_machine_can_be_seen_into(stage: Deployed, job: str) -> None:
    """STANDARD, every event logged with its data into a log group that forgets, traces on, named after stage and job."""
    machine = stage.machine(job)

    (destination,) = machine["LoggingConfiguration"]["Destinations"]
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert (machine["LoggingConfiguration"]["Level"], machine["LoggingConfiguration"]["IncludeExecutionData"]) == (
        "ALL",
        True,
    )
    assert stage.named("AWS::Logs::LogGroup", group)["RetentionInDays"] == 14


@pytest.mark.skipif(not VALIDATOR.is_file(), reason="asl-validator is not installed: `make test` does it")
class TestAslValidator:
    """npm's asl-validator, which knows today's Distributed Map and is not ours."""

    def test_it_finds_every_definition_valid(self, stage: Deployed) -> None:
        """All jobs' definitions, with ARNs in their places, as AWS gets them."""
        definitions = [json.dumps(deployed_definition(stage, job)) for job in JOBS]

        code, said = validate(*definitions)

        assert code == 0, said

    @pytest.mark.parametrize(
        ("place", "field", "value"),
        [
            ("Map", "Next", "Nowhere"),
            ("Map", "ItemBatcher", {"MaxItemsPerBatch": "50"}),
            ("Plan", "ResultPath", "$["),
            ("Plan", "Tries", 3),
        ],
    )
    def test_it_finds_what_is_wrong(self, stage: Deployed, place: str, field: str, value: object) -> None:
        """The check above can fail. Of a Map's ReaderConfig and WriterConfig it takes anything: `mapfold.states`, which
        the embedded AWS asks, does not."""
        definition = deployed_definition(stage, "words")
        definition["States"][place][field] = value

        code, said = validate(json.dumps(definition))

        assert code == 1
        assert "invalid" in said


def validate(*definitions: str) -> tuple[int, str]:
    """Exit code and words of the validator. 0: all are valid."""
    arguments = [word for definition in definitions for word in ("--json-definition", definition)]
    done = subprocess.run(
        [str(bundled_node()), str(VALIDATOR), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    return done.returncode, f"{done.stdout}{done.stderr}".strip()
