"""The metrics that the dashboard shows and the alarms judge, each named once.

Mapfold's own come from the functions (`tasks/_telemetry.py`) in the stage's namespace, by job; the others from AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

PERIOD = Duration.minutes(5)
SUM = "Sum"
MAXIMUM = "Maximum"


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """What is measured of a job: its name, its state machine (ARN) and its function `work` (name)."""

    name: str
    machine_arn: str
    work_function: str

    def executions(self, name: str, *, statistic: str = SUM) -> cloudwatch.Metric:
        """A metric of Step Functions about the job's state machine: ExecutionsFailed, ExecutionThrottled, …"""
        return metric("AWS/States", name, {"StateMachineArn": self.machine_arn}, statistic=statistic)

    def work(self, name: str, *, statistic: str = SUM) -> cloudwatch.Metric:
        """A metric of Lambda about the job's function `work`: Throttles, Duration, …"""
        return of_function(self.work_function, name, statistic=statistic)

    def own(self, namespace: str, name: str, *, statistic: str = SUM) -> cloudwatch.Metric:
        """A metric that Mapfold's functions send: ItemsFailed, BatchSeconds, OldestRunSeconds, …"""
        return metric(namespace, name, {"service": "mapfold", "job": self.name}, statistic=statistic)


def metric(namespace: str, name: str, dimensions: Mapping[str, str], *, statistic: str = SUM) -> cloudwatch.Metric:
    """One metric over five minutes."""
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, dimensions_map=dict(dimensions), statistic=statistic, period=PERIOD
    )


def of_function(function: str, name: str, *, statistic: str = SUM) -> cloudwatch.Metric:
    """A metric of one Lambda function."""
    return metric("AWS/Lambda", name, {"FunctionName": function}, statistic=statistic)


def of_map_runs(name: str) -> cloudwatch.Metric:
    """A metric about all map runs of the account in this region: it has no dimensions."""
    return cloudwatch.Metric(namespace="AWS/States", metric_name=name, statistic=MAXIMUM, period=PERIOD)


def of_queue(queue: str, name: str) -> cloudwatch.Metric:
    """A metric of one SQS queue."""
    return metric("AWS/SQS", name, {"QueueName": queue}, statistic=MAXIMUM)


def of_api(api: str, stage: str, name: str, *, statistic: str = SUM) -> cloudwatch.Metric:
    """A metric of one stage of a REST API."""
    return metric("AWS/ApiGateway", name, {"ApiName": api, "Stage": stage}, statistic=statistic)


def added(*metrics: cloudwatch.Metric, label: str) -> cloudwatch.MathExpression:
    """The sum of metrics, where one that has no data counts as nothing."""
    used = {f"m{number}": each for number, each in enumerate(metrics)}
    return cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in used), using_metrics=used, label=label, period=PERIOD
    )
