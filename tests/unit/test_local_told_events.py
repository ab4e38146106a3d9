"""What S3 tells EventBridge (rules: `mapfold/local/told_events.py`): where moto is another than the one we know."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from moto.events import models
from moto.s3 import notifications

from mapfold.local import told_events
from mapfold.local.told_events import OtherMoto, install


def test_a_moto_without_what_we_stand_on_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not found out by uploads that start nothing. All that is missing is named, and what to install."""
    monkeypatch.delattr(notifications, "_detail_type")
    monkeypatch.delattr(models.EventPattern, "get_pattern")

    with pytest.raises(OtherMoto, match=r"pip install 'moto\[server\]") as caught:
        install()

    assert "no moto.s3.notifications._detail_type, moto.events.models.EventPattern.get_pattern," in str(caught.value)


def test_an_object_that_nothing_can_be_told_of_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And is put, or deleted, all the same: on AWS S3 does not wait for EventBridge."""
    for name in ("_rules_about", "_event"):
        with monkeypatch.context() as broken:
            broken.setattr(told_events, "_rules_about", lambda *given: [None])
            broken.setattr(told_events, name, lambda *given: 1 / 0)
            told_events._tell(
                "123456789012", SimpleNamespace(name="b"), "s3:ObjectCreated:Put", SimpleNamespace(name="k")
            )

    assert [record.getMessage() for record in caplog.records] == ["what S3 would have told of k in b was lost"] * 2
    assert "ZeroDivisionError" in caplog.text
