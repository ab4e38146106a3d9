"""What the HTTP API answers where it cannot do what it was asked: {"error", "message"} and a status.

`error` is a word that a program can tell the case by, `message` says what is wrong and what to do.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)

from mapfold.client import (
    BadToken,
    NoResult,
    NotDeployed,
    NotRedrivable,
    NotRetryable,
    OtherRunExists,
    RunEnded,
    RunNameTaken,
    UnknownRun,
)
from mapfold.errors import ServiceError, UsageError
from tasks._api_models import Document, StartRun, explain

_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says why not."""

    status: int
    error: str
    message: str

    def as_document(self) -> dict[str, str]:
        """The answer's body."""
        return {"error": self.error, "message": self.message}


def refusal(error: Exception, *, asked: type[Document] = StartRun) -> Refusal | None:
    """What to answer for an error; None for one that is nobody's mistake but ours. `asked`: what the body should be."""
    match error:
        case RequestValidationError():
            return Refusal(400, "BadRequest", explain(error.errors(), document=asked))
        case RequestUnsupportedContentType():
            return Refusal(415, "UnsupportedMediaType", "a body is JSON: send Content-Type: application/json")
        case NotDeployed():
            return Refusal(404, "UnknownJob", _unknown_job(error))
        case UnknownRun():
            hint = f" Did you mean {' or '.join(error.similar)}?" if error.similar else ""
            return Refusal(404, "UnknownRun", f"there is no run {error.name!r}.{hint} GET /runs lists them.")
        case OtherRunExists():
            return Refusal(409, "RunNameTaken", _other_run(error))
        case RunNameTaken():
            return Refusal(409, "RunNameTaken", f"a run {error.name!r} exists already. Choose another name.")
        case RunEnded():
            return Refusal(409, "RunEnded", f"{error}.")
        case NotRedrivable():
            return Refusal(409, "NotRedrivable", str(error))
        case NotRetryable():
            return Refusal(409, "NotRetryable", str(error))
        case NoResult(is_early=True):
            return Refusal(409, "NotEnded", f"{error} Ask again when it has ended.")
        case NoResult():
            return Refusal(404, "NoResult", str(error))
        case UsageError():
            return Refusal(400, "BadRequest", str(error))
        case ServiceError():
            return _of_service(error)
        case _:
            return None


def _of_service(error: ServiceError) -> Refusal:
    if error.code == "InvalidToken":
        return Refusal(400, "BadRequest", str(BadToken()))
    if error.code in _THROTTLED:
        return Refusal(503, "Throttled", f"{error}. Ask again in a few seconds.")
    return Refusal(502, "ServiceError", str(error))


def _unknown_job(error: NotDeployed) -> str:
    deployed = list(error.deployed or ())
    near = difflib.get_close_matches(error.job, deployed, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Deployed: {', '.join(deployed) or 'none'}."
    return f"no job {error.job!r} is deployed here. {hint}"


def _other_run(error: OtherRunExists) -> str:
    return (
        f"a run {error.name!r} exists already, with another {' and another '.join(error.differs)}. Choose another name, "
        "or leave it out to get a new one."
    )
