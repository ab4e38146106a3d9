"""The life of a worker, as a table: which signal may come in which phase, and what it leads to.

A worker starts (imports the handler's module), asks for work, is given a call, answers it, asks again. If it hangs
up while it waits, its client has given up and it ends; its process may be killed or exit at any moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from mapfold.local.lambda_.errors import WorkerProtocolError


class Phase(StrEnum):
    """Where a worker is in its life."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    READYING = "readying"
    FAILED = "failed"
    GONE = "gone"

    __hash__ = str.__hash__  # Enum's is a Python function, and three lookups a call go through it


class Signal(StrEnum):
    """What happens to a worker."""

    ASKED_FOR_WORK = "asked for work"
    GIVEN_WORK = "given work"
    ANSWERED = "answered"
    INIT_FAILED = "init failed"
    HUNG_UP = "hung up"
    KILLED = "killed"
    EXITED = "exited"

    __hash__ = str.__hash__


_END: Mapping[Signal, Phase] = {Signal.KILLED: Phase.FAILED, Signal.EXITED: Phase.GONE}

LIFECYCLE: Mapping[Phase, Mapping[Signal, Phase]] = {
    Phase.STARTING: {Signal.ASKED_FOR_WORK: Phase.IDLE, Signal.INIT_FAILED: Phase.FAILED, **_END},
    Phase.IDLE: {Signal.GIVEN_WORK: Phase.BUSY, Signal.HUNG_UP: Phase.FAILED, **_END},
    Phase.BUSY: {Signal.ANSWERED: Phase.READYING, **_END},
    Phase.READYING: {Signal.ASKED_FOR_WORK: Phase.IDLE, **_END},
    Phase.FAILED: _END,  # its process is about to exit
    Phase.GONE: {},
}


def advance(phase: Phase, signal: Signal) -> Phase:
    """The phase that `signal` leads to, or WorkerProtocolError if it may not come now."""
    expected = LIFECYCLE[phase]
    if signal not in expected:
        allowed = ", ".join(expected) or "nothing"
        raise WorkerProtocolError(f"a worker that is {phase} sent: {signal}; expected: {allowed}")
    return expected[signal]
