"""Start by upload: an object that is put under `manifests/JOB/` of the data bucket becomes a message in the start queue.

One EventBridge rule a job, so that the key's prefix alone says which job is meant. S3 may tell of one object twice;
that this starts one run only is the matter of the run's name (`tasks/start.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.start_queue import StartQueue


class UploadRules(Construct):
    """A rule for each of `jobs`, and the right of just these rules to send to the start queue. `rules`, by job.

    The bucket has to send its events to EventBridge. An event that EventBridge cannot deliver for a day goes to the
    queue's dead letters.
    """

    def __init__(
        self, scope: Construct, id_: str, *, jobs: Sequence[str], data_bucket: str, start_queue: StartQueue
    ) -> None:
        super().__init__(scope, id_)
        self.rules = {job: self._rule(job, data_bucket, start_queue) for job in jobs}
        if self.rules:
            self._allow_sending(start_queue.queue)
            self._allow_sending(start_queue.dead_letters)

    def _rule(self, job: str, data_bucket: str, start_queue: StartQueue) -> events.CfnRule:
        return events.CfnRule(
            self,
            job,
            description=f"An object put under manifests/{job}/ starts a run of {job}",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [data_bucket]}, "object": {"key": [{"prefix": f"manifests/{job}/"}]}},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="StartQueue",
                    arn=start_queue.queue.queue_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=start_queue.dead_letters.queue_arn),
                )
            ],
        )

    def _allow_sending(self, queue: sqs.Queue) -> None:
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="UploadRulesSend",
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                conditions={"ArnEquals": {"aws:SourceArn": [rule.attr_arn for rule in self.rules.values()]}},
            )
        )
