"""What S3 tells EventBridge of an object: the event that S3 sends, and only where a rule may want to hear of it.

moto makes two events of every PUT in a bucket that tells EventBridge, and matches each with every rule: 0.4 of 0.9 ms of
CPU that a small PUT takes in moto, 0.6 with five rules. Of an object that no rule is about, that is for nothing: a map
run's inputs and results are such objects, a hundred thousand of them as a rule. To see that none is costs 5 µs, and 4
more for each rule.

And moto's events have the same id and the same sequencer, whatever they tell. Who knows an object's version by it (there
is nothing else in a bucket without versions) would take a file that is uploaded anew for one that was seen before.
"""

from __future__ import annotations

import logging
from typing import Any

from mapfold.local.aws_journal.event_rules import may_match

log = logging.getLogger(__name__)

_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
    "s3:ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}


def install() -> None:
    """Let moto in this process tell so, from now on."""
    from moto.s3 import notifications

    module: Any = notifications
    module._send_event_bridge_message = _tell


def _tell(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
    """What S3 does about it is done whatever becomes of the message, as on AWS."""
    rules = _rules_about(account_id, bucket, key.name)
    if not rules:
        return
    event = _event(account_id, bucket, str(getattr(event_name, "value", event_name)), key)
    for rule in rules:
        try:
            rule.send_to_targets(event, transform_input=False)
        except Exception:
            log.warning("rule %s: what S3 told of %s was lost", rule.name, key.name, exc_info=True)


def _rules_about(account_id: str, bucket: Any, key: str) -> list[Any]:
    from moto.events.models import events_backends

    buses = events_backends[account_id][bucket.region_name].event_buses.values()
    return [
        rule
        for bus in buses
        for rule in bus.rules.values()
        if rule.state != "DISABLED" and may_match(rule.event_pattern.get_pattern(), bucket.name, key)
    ]


def _event(account_id: str, bucket: Any, event_name: str, key: Any) -> dict[str, Any]:
    """In S3's form. What is drawn and the time come from moto, so that they are the same when it is done again."""
    from moto.core.utils import unix_time
    from moto.moto_api._internal import mock_random
    from moto.s3.notifications import _detail_type

    now = unix_time()
    told = {"key": key.name, "size": key.size, "etag": key.etag.replace('"', "")}
    if key.version_id != "null":
        told["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": {**told, "sequencer": f"{int(now * 1_000_000):016X}"},
        "request-id": mock_random.get_random_hex(16).upper(),
        "requester": account_id,
        "source-ip-address": "127.0.0.1",
    }
    if event_name in _REASONS:
        detail["reason"] = _REASONS[event_name]
    return {
        "version": "0",
        "id": str(mock_random.uuid4()),
        "detail-type": _detail_type(event_name),
        "source": "aws.s3",
        "account": account_id,
        "time": now,
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": detail,
    }
