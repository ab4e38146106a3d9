"""A whole stage: every job can be started in each way, its end is told, and what goes wrong is alarmed."""

from __future__ import annotations

import json
from typing import Any

from infra.shared import SIZES
from tests.infra.deployed import Deployed


def rules(stage: Deployed) -> list[Any]:
    """The patterns of all EventBridge rules that have one."""
    found = [each["Properties"].get("EventPattern") for each in stage.resources("AWS::Events::Rule").values()]
    return [pattern for pattern in found if pattern is not None]


def shared(stage: Deployed, handler: str) -> tuple[str, Any]:
    """The logical id and the properties of a shared function."""
    (found,) = (
        (name, each["Properties"])
        for name, each in stage.resources("AWS::Lambda::Function").items()
        if each["Properties"]["Handler"] == f"tasks.{handler}.handler"
    )
    return found


def test_every_job_with_a_manifest_is_started_by_uploads(stage: Deployed) -> None:
    """A listing has no manifest, and beside an inventory's lies more: jobs over them have no rule."""
    prefixes = {
        pattern["detail"]["object"]["key"][0]["prefix"] for pattern in rules(stage) if pattern["source"] == ["aws.s3"]
    }

    with_manifest = {name for name, job in stage.jobs.items() if job.source.starts_by_upload}
    assert prefixes == {f"manifests/{name}/" for name in with_manifest}


def test_the_end_of_every_jobs_runs_is_told(stage: Deployed) -> None:
    """One rule names all state machines, by their whole ARNs."""
    (pattern,) = (pattern for pattern in rules(stage) if pattern["source"] == ["aws.states"])

    named = [arn["Ref"] for arn in pattern["detail"]["stateMachineArn"]]

    assert sorted(named) == sorted(stage.resources("AWS::StepFunctions::StateMachine"))


def test_every_method_of_the_api_asks_for_a_signature_of_iam(stage: Deployed) -> None:
    """No method of the whole stack is open to who is not known."""
    methods = [each["Properties"] for each in stage.resources("AWS::ApiGateway::Method").values()]

    assert len(methods) > 0
    assert {method["AuthorizationType"] for method in methods} == {"AWS_IAM"}


def test_the_shared_functions_know_their_stage(stage: Deployed) -> None:
    """Which jobs there are and how machines are called: ARNs are made of that, so that no function lists machines."""
    for handler in SIZES:
        variables = shared(stage, handler)[1]["Environment"]["Variables"]

        assert variables["MAPFOLD_MACHINE_PREFIX"] == "mapfold-dev-"
        assert variables["MAPFOLD_DEPLOYED_JOBS"].split(",") == list(stage.jobs)
        assert variables.keys() >= {"MAPFOLD_RUNS_BUCKET", "MAPFOLD_RUNS_TABLE", "MAPFOLD_DATA_BUCKET"}


def test_the_queue_waits_six_timeouts_of_the_function_that_it_feeds(stage: Deployed) -> None:
    """The visibility timeout follows the timeout that the function really has."""
    name, function = shared(stage, "start")
    (mapping,) = (each["Properties"] for each in stage.resources("AWS::Lambda::EventSourceMapping").values())
    queue = stage.named("AWS::SQS::Queue", mapping["EventSourceArn"]["Fn::GetAtt"][0])

    assert mapping["FunctionName"] == {"Ref": name}
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]


def test_every_job_has_its_alarms_in_the_stages_namespace(stage: Deployed) -> None:
    """Failed runs, failed items, throttles and the age of the oldest run, by the job's own metrics."""
    alarms = [each["Properties"] for each in stage.resources("AWS::CloudWatch::Alarm").values()]
    ages = [alarm for alarm in alarms if alarm.get("MetricName") == "OldestRunSeconds"]

    jobs = {each["Value"] for alarm in ages for each in alarm["Dimensions"] if each["Name"] == "job"}

    assert jobs == set(stage.jobs)
    assert {alarm["Namespace"] for alarm in ages} == {"Mapfold/dev"}
    assert len(alarms) == 4 * len(stage.jobs) + 6


def test_the_outputs_say_how_to_start_and_where_to_look(stage: Deployed) -> None:
    """Those that docs/deploy.md names, beside the ones that the command line reads."""
    assert stage.outputs.keys() >= {
        "StartQueueUrl",
        "DeadLetterQueueUrl",
        "ApiUrl",
        "RunEventsTopic",
        "AlarmsTopic",
        "DashboardUrl",
    }
    assert json.dumps(stage.outputs["ApiUrl"]).endswith('/v1"]]}')
