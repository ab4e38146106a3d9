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
from importlib import import_module
from importlib.metadata import version
from operator import attrgetter
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

_STANDS_ON = (
    ("moto.s3.notifications", "_send_event_bridge_message"),
    ("moto.s3.notifications", "_detail_type"),
    ("moto.events.models", "events_backends"),
    ("moto.events.models", "EventsBackend"),
    ("moto.events.models", "Rule.send_to_targets"),
    ("moto.events.models", "EventPattern.get_pattern"),
    ("moto.core.utils", "unix_time"),
    ("moto.core.utils", "datetime"),
    ("moto.moto_api._internal", "mock_random.seed"),
    ("moto.moto_api._internal", "mock_random.uuid4"),
    ("moto.moto_api._internal", "mock_random.get_random_hex"),
)
"""Modules of moto and names in them, of this module and of `aws_journal/reproducible.py`."""


class OtherMoto(Exception):
    """This release of moto lacks something that Mapfold stands on."""


def install() -> None:
    """Let moto in this process tell so, from now on. OtherMoto if it is not the moto that we know."""
    _check()
    from moto.s3 import notifications

    module: Any = notifications
    module._send_event_bridge_message = _tell


def _check() -> None:
    """None of these is promised by moto. Were one missing, uploads would start nothing, and nobody would hear of it."""
    missing = [f"{module}.{name}" for module, name in _STANDS_ON if not _has(module, name)]
    if missing:
        raise OtherMoto(
            f"moto {version('moto')} has no {', '.join(missing)}, which Mapfold needs. Install one that has, such as "
            "the one in Mapfold's requirements.lock: pip install 'moto[server]>=5.1,<6'"
        )


def _has(module: str, name: str) -> bool:
    try:
        attrgetter(name)(import_module(module))
    except (ImportError, AttributeError):
        return False
    return True


def _tell(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
    """What S3 does about it is done whatever becomes of the message, as on AWS."""
    try:
        rules = _rules_about(account_id, bucket, key.name)
        if not rules:
            return
        event = _event(account_id, bucket, str(getattr(event_name, "value", event_name)), key)
    except Exception:  # S3's own request must not fail by it, whatever moto does
        log.exception("what S3 would have told of %s in %s was lost", key.name, bucket.name)
        return
    for rule in rules:
        try:
            rule.send_to_targets(event, transform_input=False)
        except Exception:  # one rule's target must not keep the event from the others
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
    told: dict[str, Any] = {"key": key.name}
    if hasattr(key, "etag"):  # a delete marker has neither
        told |= {"size": key.size, "etag": key.etag.replace('"', "")}
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
