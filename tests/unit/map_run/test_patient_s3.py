"""S3 that is away for a while (rules: `mapfold/local/map_run/patient_s3.py`)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError, ReadTimeoutError

from mapfold.local.map_run.patient_s3 import PATIENCE_SECONDS, PatientS3

REFUSED = EndpointConnectionError(endpoint_url="http://127.0.0.1:1/")
HANGS = ReadTimeoutError(endpoint_url="http://127.0.0.1:1/")


def answered(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")  # type: ignore[typeddict-item]


class AwayS3:
    """S3 that fails at first, each time after a second, and time that passes only here."""

    def __init__(self, *failures: Exception, until: float = 0.0) -> None:
        self._failures, self._until = list(failures), until
        self.now = 0.0
        self.calls = 0
        self.patient = PatientS3(lambda: self, clock=lambda: self.now, wait=self.wait)

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def put_object(self, **request: Any) -> Any:
        self.calls += 1
        if self._failures and (len(self._failures) > 1 or self.now < self._until or not self._until):
            self.now += 1.0
            raise self._failures.pop(0) if len(self._failures) > 1 else self._failures[0]
        return request

    complete_multipart_upload = put_object

    def get_object(self, **request: Any) -> Any:
        return {"Body": io.BytesIO()}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody should call {name}")


@pytest.mark.parametrize("failure", [REFUSED, HANGS, answered(503, "SlowDown"), answered(400, "RequestTimeout")])
@pytest.mark.parametrize("seconds", [1.0, 30.0, 50.0])
def test_an_outage_of_less_than_a_minute_is_waited_out(failure: Exception, seconds: float) -> None:
    """Whatever it looks like: no connection, silence, SlowDown."""
    s3 = AwayS3(failure, until=seconds)

    assert s3.patient.put_object(Key="a") == {"Key": "a"}
    assert seconds <= s3.now <= seconds + 7


def test_a_longer_outage_is_the_last_error() -> None:
    """After a minute, and some twenty tries."""
    s3 = AwayS3(answered(503, "SlowDown"), REFUSED)

    with pytest.raises(EndpointConnectionError):
        s3.patient.put_object(Key="a")

    assert PATIENCE_SECONDS - 6 <= s3.now <= PATIENCE_SECONDS + 2
    assert 10 < s3.calls < 25


@pytest.mark.parametrize(
    "failure", [answered(404, "NoSuchBucket"), answered(403, "AccessDenied"), ParamValidationError(report="any")]
)
def test_what_is_refused_for_good_is_raised_at_once(failure: Exception) -> None:
    """Waiting would not help."""
    s3 = AwayS3(failure)

    with pytest.raises(type(failure)):
        s3.patient.put_object(Key="a")

    assert s3.calls == 1


def test_an_upload_whose_completion_was_not_heard_is_complete() -> None:
    """Asked again, S3 knows no such upload; the object is there."""
    s3 = AwayS3(HANGS, answered(404, "NoSuchUpload"))

    assert s3.patient.complete_multipart_upload(Bucket="b", Key="a", UploadId="u") == {}


def test_an_upload_that_was_never_there_is_an_error() -> None:
    """Nothing was lost on the way."""
    with pytest.raises(ClientError, match="NoSuchUpload"):
        AwayS3(answered(404, "NoSuchUpload")).patient.complete_multipart_upload(Bucket="b", Key="a", UploadId="u")


def test_when_everything_ends_nobody_waits() -> None:
    """The first failure is raised then."""
    s3 = AwayS3(REFUSED)
    patient = PatientS3(lambda: s3)
    patient.give_up()

    with pytest.raises(EndpointConnectionError):
        patient.put_object(Key="a")

    assert s3.calls == 1
