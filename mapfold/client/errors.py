"""What the client raises beside `ServiceError` itself."""

from __future__ import annotations

from collections.abc import Sequence

from mapfold.errors import ServiceError, UsageError


class Unreachable(ServiceError):
    """Nothing answers at the endpoint: the embedded AWS has ended, or the network is away."""


class RunNameTaken(UsageError):
    """A run of that name exists already, with another input or ended."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a run named {name!r} exists already. Choose another --name, or leave it out to get a new one."
        )
        self.name = name


class OtherRunExists(RunNameTaken):
    """A run of that name exists already, of another job, source or params. `differs` names those that do."""

    def __init__(self, name: str, differs: Sequence[str]) -> None:
        super().__init__(name)
        self.differs = tuple(differs)


class UnknownRun(UsageError):
    """No run has that name. `similar` are the names nearest to it."""

    def __init__(self, name: str, similar: Sequence[str]) -> None:
        hint = f" Did you mean {' or '.join(similar)}?" if similar else ""
        super().__init__(f"there is no run {name!r}.{hint} `mapfold runs` lists them.")
        self.name, self.similar = name, tuple(similar)


class RunEnded(UsageError):
    """The run has ended already, so that it cannot be stopped."""

    def __init__(self, name: str, status: str) -> None:
        super().__init__(f"run {name} has ended already: {status}")
        self.name, self.status = name, status


class NoResult(UsageError):
    """The run has no result. `is_early`: it may have one when it has ended."""

    def __init__(self, name: str, reason: str, *, is_early: bool = False) -> None:
        super().__init__(f"run {name} has no result: {reason}.")
        self.name, self.reason, self.is_early = name, reason, is_early


class NotRedrivable(UsageError):
    """The run cannot go on from where it ended, or would run nothing that could change how it ends."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"run {name} cannot be redriven: {reason.rstrip('.')}.")
        self.name, self.reason = name, reason


class NotRetryable(UsageError):
    """The failed items of the run cannot be tried again."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"run {name} cannot be retried: {reason.rstrip('.')}.")
        self.name, self.reason = name, reason


class RetriedAlready(NotRetryable):
    """The failed items of the run were tried again by another. `newest`: the last run of that chain."""

    def __init__(self, name: str, newest: str) -> None:
        super().__init__(
            name,
            f"it was retried already, and the newest run of its chain is {newest}, which has the complete result. Retry that "
            "one; or say --again (through the API: again) to retry this one a second time, apart from it",
        )
        self.newest = newest


class NotDeployed(UsageError):
    """The job has no state machine where it should run."""

    def __init__(self, job: str, where: str, *, deployed: Sequence[str] | None = None) -> None:
        """`deployed`: the jobs that there are; None where that is not known."""
        there = f"Deployed: {', '.join(deployed) or 'none'}" if deployed is not None else "Run it with --on local"
        super().__init__(
            f"job {job!r} is not deployed in {where}. {there}; or deploy it first, in this account and region."
        )
        self.job, self.where, self.deployed = job, where, deployed
