"""What starts runs, made so on the embedded AWS: queues, event source mappings, and what S3 tells EventBridge.

Each method makes one thing as it should be, and says what it had to do: `created`, `replaced`, or None where it was so.
What a user has set otherwise stays, unless messages would be lost, or worked on twice, by it: this is done at each start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mapfold.client.aws import AwsClient, speaking
from mapfold.errors import ServiceError

CREATED, REPLACED = "created", "replaced"
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_TARGET_ID = "start-queue"


class Triggers:
    """Methods on top of an `AwsClient`; may be called from several threads."""

    def __init__(self, aws: AwsClient) -> None:
        self._aws = aws

    def ensure_queue(self, name: str, attributes: Mapping[str, str], *, visible_after: int = 0) -> str | None:
        """A queue with these attributes; what one has otherwise stays, but for a visibility below `visible_after` seconds.

        Nor does it go without one of them, such as its dead-letter queue.
        """
        sqs = self._client("sqs")
        with speaking():
            try:
                url = self._queue_url(name)
            except ServiceError as error:
                if error.code not in _NO_QUEUE:
                    raise
                sqs.create_queue(QueueName=name, Attributes=dict(attributes))
                return CREATED
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
            missing = {key: value for key, value in attributes.items() if not found.get(key)}
            if int(found.get("VisibilityTimeout", visible_after)) < visible_after:
                missing["VisibilityTimeout"] = attributes["VisibilityTimeout"]
            if not missing:
                return None
            sqs.set_queue_attributes(QueueUrl=url, Attributes=missing)
        return REPLACED

    def ensure_mapping(self, queue_arn: str, function: str) -> str | None:
        """An event source mapping of the queue to the function, which reports the messages that failed.

        One that was disabled stays so.
        """
        wanted = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
        functions = self._client("lambda")
        with speaking():
            found = functions.list_event_source_mappings(EventSourceArn=queue_arn, FunctionName=function)
            for mapping in found["EventSourceMappings"]:
                if mapping.get("FunctionResponseTypes") == wanted["FunctionResponseTypes"]:
                    return None
                functions.update_event_source_mapping(UUID=mapping["UUID"], **wanted)
                return REPLACED
        try:
            with speaking():
                functions.create_event_source_mapping(EventSourceArn=queue_arn, FunctionName=function, **wanted)
        except ServiceError as error:
            if error.code != "ResourceConflictException":  # another command made it, since we looked
                raise
            return None
        return CREATED

    def ensure_notification(self, bucket: str, *, is_new: bool = False) -> None:
        """The bucket tells EventBridge of its objects; whom else it tells stays. One that `is_new` is not asked first.

        Nothing says whether it did before: moto leaves it out of what it answers, so it is told each time.
        """
        s3 = self._client("s3")
        with speaking():
            told = {} if is_new else s3.get_bucket_notification_configuration(Bucket=bucket)
            told.pop("ResponseMetadata", None)
            if "EventBridgeConfiguration" not in told:
                s3.put_bucket_notification_configuration(
                    Bucket=bucket, NotificationConfiguration={**told, "EventBridgeConfiguration": {}}
                )

    def ensure_rule(self, name: str, pattern: str, *, queue_arn: str) -> str | None:
        """A rule of EventBridge that sends what matches the pattern to the queue."""
        events = self._client("events")
        found = self._find_rule(name)
        if found is not None and _means_the_same(found.get("EventPattern"), pattern):
            with speaking():
                targets = events.list_targets_by_rule(Rule=name)["Targets"]
            if [target["Arn"] for target in targets] == [queue_arn]:
                return None
        with speaking():
            events.put_rule(Name=name, EventPattern=pattern)
            events.put_targets(Rule=name, Targets=[{"Id": _TARGET_ID, "Arn": queue_arn}])
        return CREATED if found is None else REPLACED

    def _find_rule(self, name: str) -> Mapping[str, Any] | None:
        try:
            with speaking():
                rule: Mapping[str, Any] = self._client("events").describe_rule(Name=name)
        except ServiceError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return rule

    def _queue_url(self, name: str) -> str:
        with speaking():
            return str(self._client("sqs").get_queue_url(QueueName=name)["QueueUrl"])

    def _client(self, service: str) -> Any:
        with speaking():
            return self._aws.boto3_client(service)


def _means_the_same(found: str | None, wanted: str) -> bool:
    """Attributes and patterns are text, some of it JSON, which may come back in other words."""
    if found == wanted:
        return True
    try:
        return bool(json.loads(found or "") == json.loads(wanted))
    except ValueError:
        return False
