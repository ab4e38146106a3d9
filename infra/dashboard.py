"""A stage's dashboard: what runs, what fails, how fast it is, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.alarms import WatchedStage, failed_share
from infra.metrics import MAXIMUM, SUM, WatchedJob, of_api, of_function, of_map_runs, of_queue

_HALF = 12
_THIRD = 8
_HEIGHT = 6
_WHOLE = 24


class Dashboard(Construct):
    """One dashboard: the alarms' states, then runs, items and workers by job, then what all jobs share. `url`."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: WatchedStage,
        jobs: Sequence[WatchedJob],
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, id_)
        dashboard = cloudwatch.Dashboard(
            self,
            "Dashboard",
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=_WHOLE, height=4)],
                runs(jobs),
                items(jobs, stage.namespace),
                workers(jobs, stage.namespace),
                account(stage, jobs),
                shared(stage),
            ],
        )
        self.url = (
            f"https://{Aws.REGION}.console.aws.amazon.com/cloudwatch/home?region={Aws.REGION}"
            f"#dashboards:name={dashboard.dashboard_name}"
        )


def runs(jobs: Sequence[WatchedJob]) -> list[cloudwatch.IWidget]:
    """How many runs began and succeeded, how many did not, and how old the oldest running one is."""
    began = ("ExecutionsStarted", "ExecutionsSucceeded")
    lost = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    return [
        _graph("Runs", _of_jobs(jobs, began, lambda job, name: job.executions(name)), width=_HALF),
        _graph("Runs that did not succeed", _of_jobs(jobs, lost, lambda job, name: job.executions(name)), width=_HALF),
    ]


def items(jobs: Sequence[WatchedJob], namespace: str) -> list[cloudwatch.IWidget]:
    """Items that succeeded and failed, the share that failed, and batches that failed as a whole."""
    counts = ("ItemsSucceeded", "ItemsFailed", "BatchesFailed")
    return [
        _graph("Items", _of_jobs(jobs, counts, lambda job, name: job.own(namespace, name)), width=_HALF),
        _graph("Failed items in percent", [failed_share(job, namespace) for job in jobs], width=_HALF),
    ]


def workers(jobs: Sequence[WatchedJob], namespace: str) -> list[cloudwatch.IWidget]:
    """How long a batch takes and how large its partial is, and what Lambda does for it."""
    seconds = [
        job.own(namespace, "BatchSeconds", statistic=statistic).with_(label=f"{job.name}: {statistic}")
        for job in jobs
        for statistic in ("p50", "p99")
    ]
    sizes = [
        job.own(namespace, "PartialBytes", statistic=statistic).with_(label=f"{job.name}: {statistic}")
        for job in jobs
        for statistic in ("p50", MAXIMUM)
    ]
    at_once = [
        job.work("ConcurrentExecutions", statistic=MAXIMUM).with_(label=f"{job.name}: invocations at once")
        for job in jobs
    ]
    refused = _of_jobs(jobs, ("Errors", "Throttles"), lambda job, name: job.work(name))
    return [
        _graph("Seconds of a batch", seconds, width=_HALF // 2),
        _graph("Bytes of a partial", sizes, width=_HALF // 2),
        _graph("Invocations of work at once", at_once, width=_HALF // 2),
        _graph("Errors and throttles of work", refused, width=_HALF // 2),
    ]


def account(stage: WatchedStage, jobs: Sequence[WatchedJob]) -> list[cloudwatch.IWidget]:
    """The account's map runs beside their limit, transitions that were delayed, and the age of the oldest run."""
    map_runs = ("ApproximateOpenMapRunCount", "ApproximateMapRunBacklogSize", "OpenMapRunLimit")
    ages = [job.own(stage.namespace, "OldestRunSeconds", statistic=MAXIMUM).with_(label=job.name) for job in jobs]
    delayed = _of_jobs(jobs, ("ExecutionThrottled",), lambda job, name: job.executions(name))
    return [
        _graph("Map runs of the account", [of_map_runs(name) for name in map_runs], width=_THIRD),
        _graph("State transitions that were delayed", delayed, width=_THIRD),
        _graph("Seconds that the oldest run has been running", ages, width=_THIRD),
    ]


def shared(stage: WatchedStage) -> list[cloudwatch.IWidget]:
    """The start queue with its dead letters, the HTTP API, and the three shared functions."""
    queues = [
        of_queue(stage.start_queue, "ApproximateNumberOfMessagesVisible").with_(label="waiting"),
        of_queue(stage.start_queue, "ApproximateAgeOfOldestMessage").with_(label="age of the oldest, s"),
        of_queue(stage.dead_letters, "ApproximateNumberOfMessagesVisible").with_(label="dead letters"),
    ]
    counts = [of_api(stage.api, stage.api_stage, name) for name in ("Count", "4XXError", "5XXError")]
    latency = of_api(stage.api, stage.api_stage, "Latency", statistic="p99").with_(label="Latency p99, ms")
    functions = {"api": stage.api_function, "start": stage.start_function, "watch": stage.watch_function}
    errors = [
        of_function(function, name, statistic=SUM).with_(label=f"{role}: {name}")
        for role, function in functions.items()
        for name in ("Errors", "Throttles")
    ]
    return [
        _graph("Start queue", queues, width=_THIRD),
        _graph("HTTP API", counts, right=[latency], width=_THIRD),
        _graph("Functions api, start and watch", errors, width=_THIRD),
    ]


def _of_jobs(
    jobs: Sequence[WatchedJob], names: Sequence[str], make: Callable[[WatchedJob, str], cloudwatch.Metric]
) -> list[cloudwatch.Metric]:
    return [make(job, name).with_(label=f"{job.name}: {name}") for job in jobs for name in names]


def _graph(
    title: str,
    left: Sequence[cloudwatch.IMetric],
    *,
    width: int,
    right: Sequence[cloudwatch.IMetric] = (),
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(left), right=list(right), width=width, height=_HEIGHT)
