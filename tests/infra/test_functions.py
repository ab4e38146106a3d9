"""The functions of a stage: as large as the job says, seen into, and with nothing in them that is not theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.layer import locked_version
from tests.infra.deployed import Deployed

HANDLERS = ("plan", "work", "isolate", "fold", "finish", "close")


def test_every_function_runs_on_arm64_with_traces_and_json_logs(stage: Deployed) -> None:
    """Python 3.13; its log group is its own and forgets after the stage's days."""
    groups = []
    for function in stage.functions():
        group = function["LoggingConfig"]["LogGroup"]["Ref"]
        groups.append(group)

        assert (function["Architectures"], function["Runtime"]) == (["arm64"], "python3.13")
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        assert stage.named("AWS::Logs::LogGroup", group)["RetentionInDays"] == 14
    assert len(set(groups)) == len(groups)


def test_every_function_has_powertools_from_the_layer_of_the_locked_version(stage: Deployed) -> None:
    """CloudFormation looks its ARN up under AWS's public parameter, in the region that it deploys to."""
    (parameter,) = {function["Layers"][0]["Ref"] for function in stage.functions()}

    declared = stage.template["Parameters"][parameter]
    version = locked_version("aws-lambda-powertools")
    assert declared["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert declared["Default"] == f"/aws/service/powertools/python/arm64/python3.13/{version}"


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_jobs_function_finds_in_its_environment_what_the_handlers_read(stage: Deployed, handler: str) -> None:
    """The job, its buckets and tables by their real names, and Powertools' own variables."""
    environment = dict(stage.environment("words", handler))

    tables = environment.pop("MAPFOLD_TABLES")
    assert environment == {
        "LANGUAGE": "en",
        "MAPFOLD_JOB": "words",
        "MAPFOLD_JOBS": "jobs",
        "MAPFOLD_RUNS_BUCKET": stage.outputs["RunsBucket"],
        "MAPFOLD_RUNS_TABLE": stage.outputs["RunsTable"],
        "MAPFOLD_DATA_BUCKET": stage.outputs["DataBucket"],
        "MAPFOLD_RUN_DAYS": "20",
        "MAPFOLD_CONCURRENCY": "20",
        "POWERTOOLS_SERVICE_NAME": "words",
        "POWERTOOLS_METRICS_NAMESPACE": "Mapfold/dev",
    }
    assert filled_in(tables) == {"words-seen": stage.tables["words-seen"]}


def filled_in(text: Any) -> Any:
    """JSON that CloudFormation joins, with logical ids for names."""
    if isinstance(text, str):
        return json.loads(text)
    return json.loads("".join(part if isinstance(part, str) else part["Ref"] for part in text["Fn::Join"][1]))


def test_work_is_as_large_as_the_job_declares(stage: Deployed) -> None:
    """Memory, timeout, room in /tmp; the job's own variables are in every function of it."""
    work = stage.function("orders", "work")

    assert (work["MemorySize"], work["Timeout"], work["EphemeralStorage"]) == (1769, 120, {"Size": 2048})
    assert {stage.environment("orders", handler)["CURRENCY"] for handler in HANDLERS} == {"EUR"}


def test_a_stage_may_say_otherwise(stage: Deployed) -> None:
    """The job words declares 512 MB, and the stage 1,024 for its work, 2,048 for the others, which may take 15 minutes."""
    sizes = {handler: stage.function("words", handler)["MemorySize"] for handler in HANDLERS}

    assert sizes == {"plan": 2048, "work": 1024, "isolate": 2048, "fold": 2048, "finish": 2048, "close": 2048}
    assert stage.function("words", "work")["Timeout"] == 60
    assert stage.function("words", "fold")["Timeout"] == 900


class TestNetwork:
    """The job orders reaches a database: 60 connections, 2 a worker, though it reserves 50 invocations."""

    @pytest.mark.parametrize("handler", ["work", "finish"])
    def test_functions_that_run_the_jobs_code_with_a_context_are_in_its_network(
        self, stage: Deployed, handler: str
    ) -> None:
        """By the ids that the job declares: nothing is looked up at synth."""
        assert stage.function("orders", handler)["VpcConfig"] == {
            "SubnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        }

    @pytest.mark.parametrize(("job", "handler"), [("orders", "plan"), ("orders", "close"), ("words", "work")])
    def test_others_are_not(self, stage: Deployed, job: str, handler: str) -> None:
        """Without need, a network only costs addresses, and S3 would have to be reached from inside it."""
        assert "VpcConfig" not in stage.function(job, handler)

    def test_no_more_batches_run_at_once_than_there_are_connections_for(self, stage: Deployed) -> None:
        """Lambda holds work to 29 and finish, which connects too, to one; Plan knows, so that no batch is throttled."""
        assert stage.function("orders", "work")["ReservedConcurrentExecutions"] == 29
        assert stage.environment("orders", "plan")["MAPFOLD_CONCURRENCY"] == "29"
        assert stage.function("orders", "finish")["ReservedConcurrentExecutions"] == 1
        assert "ReservedConcurrentExecutions" not in stage.function("words", "finish")

    def test_records_know_when_run_folders_go(self, stage: Deployed) -> None:
        """Plan, finish and close write when the record is to go; the runs table deletes by that attribute."""
        days = {stage.environment("words", handler)["MAPFOLD_RUN_DAYS"] for handler in HANDLERS}
        runs = stage.named("AWS::DynamoDB::Table", stage.outputs["RunsTable"]["Ref"])

        assert days == {"20"}
        assert runs["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}

    def test_its_secrets_are_found_by_name(self, stage: Deployed) -> None:
        """What the job calls it, and what Secrets Manager does."""
        assert json.loads(stage.environment("orders", "work")["MAPFOLD_SECRETS"]) == {
            "orders/database": "orders/database"
        }
        assert "MAPFOLD_SECRETS" not in stage.environment("words", "work")
