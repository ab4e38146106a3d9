"""Alarms and the dashboard: what is measured, from when on it is said, and what it says to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from infra.alarms import Alarms, WatchedStage
from infra.config import AlarmThresholds
from infra.dashboard import Dashboard
from infra.metrics import WatchedJob
from tests.infra.building import Properties, empty_stack, only, resources, template_of

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:mapfold-dev-flight-delays"
JOB = WatchedJob(name="flight-delays", machine_arn=MACHINE, work_function="flights-work")
STAGE = WatchedStage(
    namespace="Mapfold/dev",
    api="mapfold-dev-api",
    api_stage="v1",
    start_queue="starts",
    dead_letters="dead",
    api_function="api",
    start_function="start",
    watch_function="watch",
)
THRESHOLDS = AlarmThresholds(
    failed_items_percent=2.5,
    oldest_run_hours=3,
    open_map_runs=800,
    map_run_backlog=4,
    throttles=50,
    api_errors=6,
)


@pytest.fixture(scope="module")
def template() -> Template:
    stack = empty_stack()
    topic = sns.Topic(stack, "Topic")
    alarms = Alarms(stack, "Alarms", stage=STAGE, jobs=[JOB], thresholds=THRESHOLDS, topic=topic)
    Dashboard(stack, "Dashboard", stage=STAGE, jobs=[JOB], alarms=alarms.alarms)
    return template_of(stack)


def measured(alarm: Properties) -> list[tuple[str, str, dict[str, str], str]]:
    """What an alarm looks at: namespace, metric, dimensions, statistic."""
    metrics = [each["MetricStat"] for each in alarm.get("Metrics", ()) if "MetricStat" in each]
    if not metrics:
        return [(alarm["Namespace"], alarm["MetricName"], _dimensions(alarm), alarm["Statistic"])]
    return [
        (each["Metric"]["Namespace"], each["Metric"]["MetricName"], _dimensions(each["Metric"]), each["Stat"])
        for each in metrics
    ]


def _dimensions(metric: Properties) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}


def alarm_on(template: Template, metric: str) -> Properties:
    """The one alarm that looks at a metric."""
    found = [
        alarm
        for alarm in resources(template, "AWS::CloudWatch::Alarm").values()
        if metric in {name for _, name, _, _ in measured(alarm)}
    ]
    (alarm,) = found
    return alarm


AT_LEAST = "GreaterThanOrEqualToThreshold"
MORE = "GreaterThanThreshold"
OWN = {"service": "mapfold", "job": "flight-delays"}


@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])
def test_one_run_that_does_not_succeed_is_an_alarm(template: Template, metric: str) -> None:
    """Failed, timed out and stopped runs of a job's state machine are added up; one is enough."""
    alarm = alarm_on(template, metric)

    assert ("AWS/States", metric, {"StateMachineArn": MACHINE}, "Sum") in measured(alarm)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (AT_LEAST, 1)


def test_the_share_of_failed_items_is_of_all_that_were_worked_on(template: Template) -> None:
    """100 failed / (failed + succeeded), where a metric without data counts as nothing; more than the stage allows."""
    alarm = alarm_on(template, "ItemsFailed")
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]

    assert expression == (
        "IF((FILL(failed_flight_delays, 0) + FILL(succeeded_flight_delays, 0)) > 0, "
        "100 * FILL(failed_flight_delays, 0) / (FILL(failed_flight_delays, 0) + FILL(succeeded_flight_delays, 0)), 0)"
    )
    assert measured(alarm) == [
        ("Mapfold/dev", "ItemsFailed", OWN, "Sum"),
        ("Mapfold/dev", "ItemsSucceeded", OWN, "Sum"),
    ]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == (MORE, 2.5)


def test_throttles_are_lambdas_and_step_functions_together(template: Template) -> None:
    """Refused invocations of work and delayed transitions, in three periods in a row: a moment of it does no harm."""
    alarm = alarm_on(template, "ExecutionThrottled")

    assert measured(alarm) == [
        ("AWS/Lambda", "Throttles", {"FunctionName": "flights-work"}, "Sum"),
        ("AWS/States", "ExecutionThrottled", {"StateMachineArn": MACHINE}, "Sum"),
    ]
    assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (3, 50)


@pytest.mark.parametrize(
    ("metric", "measure", "threshold"),
    [
        ("OldestRunSeconds", ("Mapfold/dev", "OldestRunSeconds", OWN, "Maximum"), (MORE, 3 * 3600)),
        (
            "ApproximateMapRunBacklogSize",
            ("AWS/States", "ApproximateMapRunBacklogSize", {}, "Maximum"),
            (AT_LEAST, 4),
        ),
        ("ApproximateOpenMapRunCount", ("AWS/States", "ApproximateOpenMapRunCount", {}, "Maximum"), (AT_LEAST, 800)),
        (
            "ApproximateNumberOfMessagesVisible",
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "dead"}, "Maximum"),
            (AT_LEAST, 1),
        ),
        (
            "5XXError",
            ("AWS/ApiGateway", "5XXError", {"ApiName": "mapfold-dev-api", "Stage": "v1"}, "Sum"),
            (AT_LEAST, 6),
        ),
        ("Errors", ("AWS/Lambda", "Errors", {"FunctionName": "watch"}, "Sum"), (AT_LEAST, 1)),
    ],
)
def test_an_alarm_looks_at_one_metric(
    template: Template, metric: str, measure: tuple[Any, ...], threshold: tuple[str, float]
) -> None:
    """Age of the oldest run, map runs of the account (no dimensions), dead letters, 5xx, errors of the watch."""
    alarm = alarm_on(template, metric)

    assert measured(alarm) == [measure]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == threshold


def test_where_nothing_runs_nothing_is_wrong(template: Template) -> None:
    """A metric without data never alarms: on an idle stage no metric has any."""
    alarms = resources(template, "AWS::CloudWatch::Alarm").values()

    assert {alarm["TreatMissingData"] for alarm in alarms} == {"notBreaching"}


def test_every_alarm_says_what_to_do_and_goes_to_the_topic(template: Template) -> None:
    """Two sentences at least: what has happened, and what to do about it."""
    (topic,) = resources(template, "AWS::SNS::Topic")

    for alarm in resources(template, "AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmDescription"].count(". ") >= 1
        assert alarm["AlarmActions"] == [{"Ref": topic}]


def test_the_dashboard_shows_every_metric_that_an_alarm_looks_at(template: Template) -> None:
    """Whoever is alarmed sees the curve. Its first widget is the alarms' states."""
    joined = only(template, "AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    body = json.loads("".join(part if isinstance(part, str) else "…" for part in joined))
    shown = json.dumps(body)

    names = {
        name for alarm in resources(template, "AWS::CloudWatch::Alarm").values() for _, name, _, _ in measured(alarm)
    }

    assert body["widgets"][0]["type"] == "alarm"
    assert sorted(name for name in names if f'"{name}"' not in shown) == []


def test_a_stage_of_several_jobs_has_the_alarms_of_each() -> None:
    """Four alarms a job beside the stage's six, and one dashboard for all: ids of metrics differ by job."""
    stack = empty_stack()
    jobs = [JOB, WatchedJob(name="line-counts", machine_arn=f"{MACHINE}-2", work_function="lines-work")]
    alarms = Alarms(stack, "Alarms", stage=STAGE, jobs=jobs, thresholds=THRESHOLDS, topic=sns.Topic(stack, "Topic"))
    Dashboard(stack, "Dashboard", stage=STAGE, jobs=jobs, alarms=alarms.alarms)

    template = template_of(stack)

    assert len(resources(template, "AWS::CloudWatch::Alarm")) == 2 * 4 + 6
    assert len(resources(template, "AWS::CloudWatch::Dashboard")) == 1
