"""The stack of a stage: it wires the constructs together, and says what the command line reads."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput, Duration, Environment, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.alarms import Alarms, WatchedStage
from infra.api_document import handlers_document
from infra.config import Stage
from infra.dashboard import Dashboard
from infra.http_api import STAGE, HttpApi
from infra.job import JobDeployment
from infra.layer import powertools_layer
from infra.metrics import WatchedJob
from infra.notices import CLOUDWATCH, EVENTBRIDGE, NoticesKey, NoticeTopic
from infra.package import Packages
from infra.requirements import Requirements
from infra.run_events import RunEvents
from infra.shared import SIZES, SharedFunctions
from infra.start_queue import StartQueue
from infra.storage import Storage
from infra.surroundings import Surroundings
from infra.uploads import UploadRules
from infra.watch import Watch
from mapfold.job import Job


class MapfoldStack(Stack):
    """Everything of one stage."""

    def __init__(
        self,
        scope: Construct,
        *,
        stage: Stage,
        jobs: Mapping[str, Job],
        tables: Mapping[str, tuple[str, ...]],
        packages: Packages,
        requirements: Requirements,
        environment: Environment | None,
    ) -> None:
        super().__init__(
            scope, stage.stack_name, env=environment, description=f"Mapfold, stage {stage.name}: jobs on Step Functions"
        )
        key = kms.Key.from_key_arn(self, "Key", stage.kms_key_arn) if stage.kms_key_arn else None
        storage = Storage(
            self,
            "Storage",
            tables=tables,
            expiry={table: name for each in stage.jobs.values() for table, name in each.expiry.items()},
            run_days=stage.run_days,
            noncurrent_days=stage.noncurrent_days,
            deletion_protection=stage.deletion_protection,
            key=key,
        )
        surroundings = Surroundings(stage, storage)
        layer = powertools_layer(self, stage.powertools_layer, requirements)
        deployed = {
            name: JobDeployment(
                self,
                f"Job-{name}",
                job=job,
                overrides=stage.of_job(name),
                surroundings=surroundings,
                packages=packages,
                layer=layer,
            )
            for name, job in jobs.items()
        }
        _, start_timeout = SIZES["start"]
        start_queue = StartQueue(self, "StartQueue", function_timeout=Duration.seconds(start_timeout), key=key)
        shared = SharedFunctions(
            self,
            "Shared",
            jobs=list(deployed),
            queues={
                "StartQueue": start_queue.queue.queue_arn,
                "DeadLetterQueue": start_queue.dead_letters.queue_arn,
            },
            surroundings=surroundings,
            packages=packages,
            layer=layer,
        )
        start_queue.feed(shared["start"].function)
        UploadRules(
            self,
            "Uploads",
            jobs=[name for name, job in jobs.items() if job.source.key_name == "Key"],  # others have no manifest
            data_bucket=storage.data_bucket.bucket_name,
            start_queue=start_queue,
        )
        api = HttpApi(
            self,
            "HttpApi",
            api=shared["api"].function,
            document=handlers_document(),
            requests_per_second=stage.api.requests_per_second,
            burst=stage.api.burst,
            log_retention=surroundings.log_retention,
        )
        Watch(self, "Watch", watch=shared["watch"].function)
        self._tell(stage, deployed, shared, start_queue, api)
        self._say("MachinePrefix", stage.machine_prefix)
        self._say("Jobs", ",".join(deployed))
        self._say("DataBucket", storage.data_bucket.bucket_name)
        self._say("RunsBucket", storage.runs_bucket.bucket_name)
        self._say("RunsTable", storage.runs_table.table_name)
        for number, (name, table) in enumerate(storage.tables.items()):
            self._say(f"Table{number}", f"{name}={table.table_name}")
        self._say("StartQueueUrl", start_queue.queue.queue_url)
        self._say("DeadLetterQueueUrl", start_queue.dead_letters.queue_url)
        self._say("ApiUrl", api.url)

    def _tell(
        self,
        stage: Stage,
        deployed: Mapping[str, JobDeployment],
        shared: SharedFunctions,
        start_queue: StartQueue,
        api: HttpApi,
    ) -> None:
        """The ends of runs, the alarms, the dashboard."""
        key = NoticesKey(self, "NoticesKey").key
        run_events = NoticeTopic(
            self,
            "RunEventNotices",
            key=key,
            publisher=EVENTBRIDGE,
            parameter="RunEventsEmail",
            about="the ends of runs",
        ).topic
        alarms_topic = NoticeTopic(
            self, "AlarmNotices", key=key, publisher=CLOUDWATCH, parameter="AlarmsEmail", about="the stage's alarms"
        ).topic
        jobs = [
            WatchedJob(
                name=name,
                machine_arn=each.machine.state_machine.state_machine_arn,
                work_function=each.functions["work"].function.function_name,
            )
            for name, each in deployed.items()
        ]
        watched = WatchedStage(
            namespace=stage.metrics_namespace,
            api=api.rest_api.rest_api_name,
            api_stage=STAGE,
            start_queue=start_queue.queue.queue_name,
            dead_letters=start_queue.dead_letters.queue_name,
            api_function=shared["api"].function.function_name,
            start_function=shared["start"].function.function_name,
            watch_function=shared["watch"].function.function_name,
        )
        RunEvents(
            self,
            "RunEvents",
            machines=[job.machine_arn for job in jobs],
            topic=run_events,
            stack_name=stage.stack_name,
        )
        alarms = Alarms(self, "Alarms", stage=watched, jobs=jobs, thresholds=stage.alarms, topic=alarms_topic).alarms
        dashboard = Dashboard(self, "Dashboard", stage=watched, jobs=jobs, alarms=alarms)
        self._say("RunEventsTopic", run_events.topic_arn)
        self._say("AlarmsTopic", alarms_topic.topic_arn)
        self._say("DashboardUrl", dashboard.url)

    def _say(self, key: str, value: str) -> None:
        CfnOutput(self, key, value=value)
