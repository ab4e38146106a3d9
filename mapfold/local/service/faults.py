"""Errors that the service answers with, by AWS's names and in AWS's words (service-api 1)."""

from __future__ import annotations

from collections.abc import Sequence


class Fault(Exception):
    """An error answer: `code` goes into `__type`, `message` is for people, `status` is the HTTP status.

    `members` are what the model gives this error besides: the `reason` of a ValidationException, a `resourceName`.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members


def invalid(problems: Sequence[str]) -> Fault:
    """ValidationException over all that is wrong with a request's members."""
    noun = "error" if len(problems) == 1 else "errors"
    return Fault("ValidationException", f"{len(problems)} validation {noun} detected: {'; '.join(problems)}")


def machine_missing(arn: str) -> Fault:
    """StateMachineDoesNotExist."""
    return Fault("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def execution_missing(arn: str) -> Fault:
    """ExecutionDoesNotExist."""
    return Fault("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def not_redrivable(arn: str, reason: str) -> Fault:
    """ExecutionNotRedrivable. AWS's own words around the reason are unconfirmed."""
    return Fault("ExecutionNotRedrivable", f"Execution Not Redrivable: '{arn}': {reason}")


def resource_missing(arn: str) -> Fault:
    """ResourceNotFound: a map run, or what tags were asked for."""
    return Fault("ResourceNotFound", f"Resource not found: '{arn}'", resourceName=arn)


def labelled_arn_refused(arn: str) -> Fault:
    """ValidationException of the actions that do not take a Map state's ARN (its reason is in the API Reference)."""
    reason = "API_DOES_NOT_SUPPORT_LABELED_ARNS"
    return Fault("ValidationException", f"This operation is not supported on a Map state's ARN: '{arn}'", reason=reason)


def machine_deleting(arn: str) -> Fault:
    """StateMachineDeleting. That AWS's words go on with the ARN is unconfirmed."""
    return Fault("StateMachineDeleting", f"State Machine is being deleted: '{arn}'")


def type_not_supported() -> Fault:
    """StateMachineTypeNotSupported: the action is not for EXPRESS."""
    return Fault("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def invalid_arn(reason: str) -> Fault:
    """InvalidArn with AWS's reason."""
    return Fault("InvalidArn", f"Invalid Arn: '{reason}'")


def invalid_role(arn: str) -> Fault:
    """InvalidArn of what is no role's ARN."""
    return Fault("InvalidArn", f"Invalid Role Arn: '{arn}'")


def invalid_name(name: str) -> Fault:
    """InvalidName."""
    return Fault("InvalidName", f"Invalid Name: '{name}'")
