"""What the embedded Lambda refuses, in the words of the Lambda API.

A handler that raises, times out or crashes is no error of ours: it is an `Invocation` with a `function_error`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.errors import ServiceError

TOO_LARGE = "RequestEntityTooLargeException"


class LambdaError(ServiceError):
    """A call that Lambda refuses. `code` is the exception's name on the wire, `status` its HTTP status.

    `extra` are further members of the error's body, such as `Reason` of TooManyRequestsException.
    """

    def __init__(self, code: str, message: str, status: int, *, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(message, code=code)
        self.message = message
        self.status = status
        self.extra = dict(extra or {})


def wrong_type(what: str) -> LambdaError:
    """SerializationException 400: a member is of another JSON type than `what` says it is."""
    return LambdaError("SerializationException", f"{what}.", 400)


def function_not_found(arn: str) -> LambdaError:
    """ResourceNotFoundException 404, as Lambda words it for an unknown function or qualifier."""
    return LambdaError("ResourceNotFoundException", f"Function not found: {arn}", 404)


def invalid_parameter(message: str) -> LambdaError:
    """InvalidParameterValueException 400: a member's value breaks a rule beyond its shape."""
    return LambdaError("InvalidParameterValueException", message, 400)


def validation_failed(value: object, *, at: str, rule: str) -> LambdaError:
    """ValidationException 400 in the wording that all AWS services share for broken constraints."""
    shown = "null" if value is None else f"'{value}'"
    return constraint_broken(f"Value {shown} at '{at}'", f"Member must {rule}")


def elements_invalid(values: object, *, at: str, rules: str) -> LambdaError:
    """ValidationException 400 of a list, one of whose elements breaks a rule."""
    listed = ", ".join(map(str, values)) if isinstance(values, list) else values
    return constraint_broken(f"Value '[{listed}]' at '{at}'", f"Member must satisfy constraint: [{rules}]")


def constraint_broken(value: str, rule: str) -> LambdaError:
    """ValidationException 400; `value` tells what was found where (`Value 'x' at 'role'`), `rule` the whole constraint."""
    message = f"1 validation error detected: {value} failed to satisfy constraint: {rule}"
    return LambdaError("ValidationException", message, 400)


def too_many_requests(reason: str = "ConcurrentInvocationLimitExceeded") -> LambdaError:
    """TooManyRequestsException 429: more calls wait for a worker than the service, or the function, is to hold."""
    extra = {"Reason": reason}
    return LambdaError("TooManyRequestsException", "Rate Exceeded.", 429, extra=extra)


def stale_revision() -> LambdaError:
    """PreconditionFailedException 412: what is there has another RevisionId than the request."""
    message = (
        "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve "
        "the latest RevisionId for your resource."
    )
    return LambdaError("PreconditionFailedException", message, 412)


def request_too_large(limit: int) -> LambdaError:
    """RequestEntityTooLargeException 413 (so it is on the wire): a request is over `limit` bytes, for an event 6 MB."""
    message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
    return LambdaError(TOO_LARGE, message, 413)


def event_too_large(size: int, limit: int) -> LambdaError:
    """The same of an Event invocation over 1 MB."""
    message = f"{size} byte payload is too large for the Event invocation type (limit {limit} bytes)"
    return LambdaError(TOO_LARGE, message, 413)


class WorkerProtocolError(Exception):
    """A worker called the Runtime API out of turn. It gets a 4xx answer; nothing else is touched."""
