"""The mock of TestState: what a tested state is told in place of the work that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.service.faults import Fault
from mapfold.local.service.mock_schema import MODES
from mapfold.local.service.request import DEFINITION_LENGTH, PAYLOAD_BYTES, Request
from mapfold.states import Json, RunBranches, RunIterations, RunMap, RunTask, TaskFailed, TaskSucceeded
from mapfold.states.inspection import Notes
from mapfold.states.trial import note_items

TOLERANCE = "States.ExceedToleratedFailureThreshold"
TOLERANCE_CAUSE = "The specified tolerated failure threshold was exceeded"


@dataclass(frozen=True, slots=True)
class Mock:
    """A result, or an error (where `failed`), and what stateConfiguration says of the items of a Map.

    `failures` None: not said; `read`: the data that an ItemReader reads, or None.
    """

    failed: bool = False
    result: Json = None
    error: str | None = None
    cause: str | None = None
    failures: int | None = None
    read: Json = None
    mode: str = MODES[0]

    def answer(self, effect: object, notes: Notes) -> Any:
        """What the state is told when it asks for `effect`."""
        if isinstance(effect, RunMap):
            return self._answer_map(effect, notes)
        if not isinstance(effect, RunTask | RunBranches | RunIterations):
            return None  # neither time nor checks of what would be called
        if self.failed:
            return self._failure()
        return TaskSucceeded(self.result) if isinstance(effect, RunTask) else self._listed()

    def _answer_map(self, effect: RunMap, notes: Notes) -> TaskSucceeded | TaskFailed:
        items = effect.items
        if effect.reader is not None and self.read is not None:
            items = notes["afterItemsPointer"] = _point(self.read, effect.reader.config.get("ItemsPointer"))
            note_items(effect, items, notes)
        if self.failed:
            return self._failure()
        total = len(items) if isinstance(items, list | dict) else 0
        if self.failures is not None and total and self.failures > total:
            raise Fault("ValidationException", "mapIterationFailureCount exceeds the number of items of the Map state")
        if self.failures and _exceeds(self.failures, total, effect):
            return TaskFailed(TOLERANCE, TOLERANCE_CAUSE)
        return TaskSucceeded(self.result)

    def _listed(self) -> list[Json]:
        if not isinstance(self.result, list):
            raise Fault("ValidationException", "Mocked result must be an array for a Map or Parallel state")
        return self.result

    def _failure(self) -> TaskFailed:
        return TaskFailed(self.error, self.cause, catchable=self.error != "States.Runtime")


def read_mock(request: Request) -> Mock | None:
    """The mock of a request; None where nothing is mocked. Checks everything asked for before it, too."""
    members, configuration = request.part("mock"), request.part("stateConfiguration")
    result = members.optional_text("result", most=PAYLOAD_BYTES)
    mode = members.choice("fieldValidationMode", MODES, MODES[0])
    output = members.part("errorOutput")
    error, cause = output.optional_text("error", most=256), output.optional_text("cause", most=32_768)
    failures = configuration.whole("mapIterationFailureCount", least=0)
    read = configuration.optional_text("mapItemReaderData", most=DEFINITION_LENGTH)
    configuration.optional_text("errorCausedByState", most=80)
    request.done()
    if not request.has("mock"):
        return None
    failed = members.has("errorOutput")
    if failed and result is not None:
        raise Fault(
            "ValidationException", "A test mock should have only one of the following fields: [result, errorOutput]."
        )
    told = _parse(result, "Mocked result must be valid JSON")
    return Mock(failed, told, error, cause, failures, _parse(read, "mapItemReaderData must be valid JSON"), mode)


def _parse(text: str | None, problem: str) -> Json:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Fault("ValidationException", problem) from None


def _exceeds(failures: int, total: int, effect: RunMap) -> bool:
    """Whether a map run with so many failed items would fail: neither threshold given means none may."""
    count, percentage = effect.tolerated_count, effect.tolerated_percentage
    if count is None and percentage is None:
        return True
    beyond_count = count is not None and failures > count
    return beyond_count or (percentage is not None and total > 0 and failures * 100 / total > percentage)


def _point(data: Json, pointer: Json) -> Json:
    """What a JSON Pointer such as `/a/b` leads to, or the data where it leads nowhere."""
    value = data
    for name in pointer.split("/")[1:] if isinstance(pointer, str) else ():
        if not isinstance(value, dict) or name not in value:
            return data
        value = value[name]
    return value
