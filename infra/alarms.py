"""The alarms of a stage. Each says what has happened and what to do, and goes to one topic.

Where nothing runs there is no data, and that is well: missing data never alarms. All of them judge five minutes, or three
times five where a moment does no harm. The thresholds are the stage's (`infra/stages.toml`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import AlarmThresholds
from infra.metrics import MAXIMUM, PERIOD, WatchedJob, added, of_api, of_function, of_map_runs, of_queue

Measure = cloudwatch.Metric | cloudwatch.MathExpression

_MORE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD


@dataclass(frozen=True, slots=True)
class WatchedStage:
    """What is measured of a stage beside its jobs: names of the three shared functions, of the queues and of the API."""

    namespace: str
    api: str
    api_stage: str
    start_queue: str
    dead_letters: str
    api_function: str
    start_function: str
    watch_function: str


class Alarms(Construct):
    """Four alarms a job, and six for the stage. `alarms`, in the order in which the dashboard shows them."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        stage: WatchedStage,
        jobs: Sequence[WatchedJob],
        thresholds: AlarmThresholds,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id_)
        self.alarms: list[cloudwatch.Alarm] = []
        self._action = actions.SnsAction(topic)
        for job in jobs:
            self._watch_job(job, stage.namespace, thresholds)
        self._watch_map_runs(thresholds)
        self._watch_starting(stage)
        self._watch_shared_functions(stage, thresholds)
        self._watch_api(stage, thresholds)

    def _watch_job(self, job: WatchedJob, namespace: str, thresholds: AlarmThresholds) -> None:
        ended = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
        self._alarm(
            f"{job.name}-runs",
            added(*(job.executions(name) for name in ended), label=f"{job.name}: failed, timed out or stopped"),
            1,
            f"A run of {job.name} failed, timed out or was stopped. `mapfold runs --job {job.name}` says which, "
            "`mapfold failures RUN` why. One that timed out or was stopped goes on with `mapfold redrive RUN`.",
        )
        self._alarm(
            f"{job.name}-failed-items",
            failed_share(job, namespace),
            thresholds.failed_items_percent,
            f"More than {thresholds.failed_items_percent:g} % of the items of {job.name} failed in five minutes. "
            "`mapfold failures RUN` lists them with their reasons; if the input is right, stop the run with "
            "`mapfold stop RUN` and mend the job.",
            comparison=_MORE,
        )
        self._alarm(
            f"{job.name}-throttles",
            added(job.work("Throttles"), job.executions("ExecutionThrottled"), label=f"{job.name}: throttled"),
            thresholds.throttles,
            f"Lambda refused invocations of {job.name}, or Step Functions delayed its transitions. The run goes on, "
            "later. Several runs of a job that says `reserved_concurrency` or `connections` wait for each other like this. "
            "Otherwise lower the job's `concurrency`, or ask AWS for more concurrent executions or state transitions.",
            periods=3,
        )
        self._alarm(
            f"{job.name}-oldest-run",
            job.own(namespace, "OldestRunSeconds", statistic=MAXIMUM),
            thresholds.oldest_run_hours * 3600,
            f"A run of {job.name} has been running for more than {thresholds.oldest_run_hours} hours. "
            f"`mapfold runs --job {job.name}` finds it, `mapfold show RUN` says how far it is. Stop it if it hangs.",
            comparison=_MORE,
        )

    def _watch_map_runs(self, thresholds: AlarmThresholds) -> None:
        self._alarm(
            "map-run-backlog",
            of_map_runs("ApproximateMapRunBacklogSize"),
            thresholds.map_run_backlog,
            "Map runs of this account wait until others end: no more than 1,000 may be open. Runs that were started "
            "stand still. Start fewer runs at once, or stop some with `mapfold stop RUN`.",
            periods=3,
        )
        self._alarm(
            "open-map-runs",
            of_map_runs("ApproximateOpenMapRunCount"),
            thresholds.open_map_runs,
            "The account is close to its 1,000 open map runs; the next ones will wait. Start fewer runs at once. "
            "Machines that are not Mapfold's count too.",
        )

    def _watch_starting(self, stage: WatchedStage) -> None:
        self._alarm(
            "dead-letters",
            of_queue(stage.dead_letters, "ApproximateNumberOfMessagesVisible"),
            1,
            "A start request could not be carried out and is kept for 14 days. Read it in the dead-letter queue and "
            "the function start's log for why; mend the cause, then redrive the queue to its source, or delete it.",
        )

    def _watch_shared_functions(self, stage: WatchedStage, thresholds: AlarmThresholds) -> None:
        functions = (stage.api_function, stage.start_function, stage.watch_function)
        self._alarm(
            "shared-throttles",
            added(*(of_function(each, "Throttles") for each in functions), label="api, start, watch: throttled"),
            thresholds.throttles,
            "Lambda refused invocations of the functions api, start or watch: the account's concurrent executions are "
            "used up. Lower the `concurrency` of the jobs that run, or ask AWS for more.",
            periods=3,
        )
        self._alarm(
            "watch-errors",
            of_function(stage.watch_function, "Errors"),
            1,
            "The function watch failed three times in a row: nobody knows how old the oldest run is. Its log says why.",
            periods=3,
        )

    def _watch_api(self, stage: WatchedStage, thresholds: AlarmThresholds) -> None:
        self._alarm(
            "api-errors",
            of_api(stage.api, stage.api_stage, "5XXError"),
            thresholds.api_errors,
            "The HTTP API answered with 5xx. The log of the function api has the traceback, the access log the "
            "request's id and who asked.",
        )

    def _alarm(
        self,
        name: str,
        measure: Measure,
        threshold: float,
        description: str,
        *,
        comparison: cloudwatch.ComparisonOperator = _AT_LEAST,
        periods: int = 1,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=measure,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        alarm.add_alarm_action(self._action)
        self.alarms.append(alarm)


def failed_share(job: WatchedJob, namespace: str) -> cloudwatch.MathExpression:
    """The items of a job that failed, in percent of all that were worked on; 0 where none were."""
    # One graph shows all jobs, and no two metrics of a graph may have the same id.
    failed, succeeded = (f"{what}_{job.name.replace('-', '_')}" for what in ("failed", "succeeded"))
    bad, all_ = f"FILL({failed}, 0)", f"(FILL({failed}, 0) + FILL({succeeded}, 0))"
    return cloudwatch.MathExpression(
        expression=f"IF({all_} > 0, 100 * {bad} / {all_}, 0)",
        using_metrics={
            failed: job.own(namespace, "ItemsFailed"),
            succeeded: job.own(namespace, "ItemsSucceeded"),
        },
        label=f"{job.name}: failed items in percent",
        period=PERIOD,
    )
