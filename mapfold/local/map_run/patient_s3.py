"""An S3 client that waits while S3 is away: it tries again, later and later, for a minute after the first failure.

Botocore's own retries are few and their waits random, so that nobody can say which outage they survive, and all calls
of a client share a quota of them. Here each call has the same minute. What S3 refuses for good is raised at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from mapfold.errors import ServiceError
from mapfold.local.map_run.model import S3Factory

PATIENCE_SECONDS = 60.0
"""No attempt begins later than this after the first failure; the last one may take as long as one takes (65 s)."""

_LONGEST_PATIENCE_SECONDS = 86_400.0
_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 5.0
_BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "ThrottlingException"}
)


def patience_of(environment: Mapping[str, str]) -> float:
    """The seconds that MAPFOLD_S3_PATIENCE_SECONDS says, or a minute. ServiceError if they are none."""
    said = environment.get("MAPFOLD_S3_PATIENCE_SECONDS")
    if said is None:
        return PATIENCE_SECONDS
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_PATIENCE_SECONDS:
        raise ServiceError(
            f"MAPFOLD_S3_PATIENCE_SECONDS is {said!r}; it must be a number of seconds from 0 to "
            f"{_LONGEST_PATIENCE_SECONDS:.0f}."
        )
    return seconds


class PatientS3:
    """The calls of `S3Client`, made with the client that `factory` gives. Errors are botocore's: those of the last try.

    `wait(seconds)` is true when no more should be waited, because everything ends.
    """

    def __init__(
        self,
        factory: S3Factory,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._factory, self._patience_seconds, self._clock = factory, patience_seconds, clock
        self._ending = threading.Event()
        self._wait = wait or self._ending.wait

    def give_up(self) -> None:
        """From now on nobody waits: the first failure is the last."""
        self._ending.set()

    def get_object(self, **request: Any) -> Any:
        return self._patiently(self._factory().get_object, request)

    def list_objects_v2(self, **request: Any) -> Any:
        return self._patiently(self._factory().list_objects_v2, request)

    def put_object(self, **request: Any) -> Any:
        return self._patiently(self._factory().put_object, request)

    def create_multipart_upload(self, **request: Any) -> Any:
        return self._patiently(self._factory().create_multipart_upload, request)

    def upload_part(self, **request: Any) -> Any:
        return self._patiently(self._factory().upload_part, request)

    def complete_multipart_upload(self, **request: Any) -> Any:
        """Once it was done and its answer was lost, the upload is no more, and the object is there."""
        lost: list[Exception] = []
        try:
            return self._patiently(self._factory().complete_multipart_upload, request, lost)
        except ClientError as error:
            if not lost or _code(error) != "NoSuchUpload":
                raise
            where = {name: request[name] for name in ("Bucket", "Key", "ExpectedBucketOwner") if name in request}
            self.get_object(**where)["Body"].close()
            return {}

    def abort_multipart_upload(self, **request: Any) -> Any:
        """Tried once: what is left of an upload does no harm."""
        return self._factory().abort_multipart_upload(**request)

    def list_multipart_uploads(self, **request: Any) -> Any:
        return self._patiently(self._factory().list_multipart_uploads, request)

    def _patiently(
        self, call: Callable[..., Any], request: dict[str, Any], failures: list[Exception] | None = None
    ) -> Any:
        """Call until it is answered, or for too long. `failures` gets those after which it was tried again."""
        first: float | None = None
        pause = _FIRST_WAIT_SECONDS
        while True:
            try:
                return call(**request)
            except (BotoCoreError, ClientError) as error:
                if not _may_pass(error):
                    raise
                now = self._clock()
                first = now if first is None else first
                if now + pause > first + self._patience_seconds or self._wait(pause):
                    raise
                if failures is not None:
                    failures.append(error)
            pause = min(2 * pause, _LONGEST_WAIT_SECONDS)


def _may_pass(error: Exception) -> bool:
    """Whether the same request may be answered later: the connection failed, or S3 says that it is busy or unwell."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error) in _BUSY
    return isinstance(error, HTTPClientError | NoConnection)


def _code(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code
