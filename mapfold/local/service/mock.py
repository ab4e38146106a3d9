"""The mock of TestState: what a tested state is told in place of the work that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from mapfold.local.map_run.model import ItemReaderError
from mapfold.local.service.faults import Fault
from mapfold.local.service.mock_schema import MODES
from mapfold.local.service.reader_data import LINES, read_items
from mapfold.local.service.request import DEFINITION_LENGTH, PAYLOAD_BYTES, Request
from mapfold.states import Json, RunBranches, RunIterations, RunMap, RunTask, TaskFailed, TaskSucceeded
from mapfold.states.inspection import Notes
from mapfold.states.trial import note_items

TOLERANCE = "States.ExceedToleratedFailureThreshold"
TOLERANCE_CAUSE = "The specified tolerated failure threshold was exceeded"


@dataclass(frozen=True, slots=True)
class Mock:
    """A result, or an error (where `failed`), and what stateConfiguration says of the items of a Map.

    `failures` None: not said; `read`: the text that an ItemReader reads, or None.
    """

    failed: bool = False
    result: Json = None
    error: str | None = None
    cause: str | None = None
    failures: int | None = None
    read: str | None = None
    mode: str = MODES[0]

    def answer(self, effect: object, notes: Notes) -> Any:
        """What the state is told when it asks for `effect`."""
        if isinstance(effect, RunMap):
            return self._answer_map(effect, notes)
        if not isinstance(effect, RunTask | RunBranches | RunIterations):
            return None  # neither time nor checks of what would be called
        if self.failed:
            return self._failure()
        if isinstance(effect, RunIterations):
            self._check_failures(effect.count)
        return TaskSucceeded(self.result) if isinstance(effect, RunTask) else self.result

    def _answer_map(self, effect: RunMap, notes: Notes) -> TaskSucceeded | TaskFailed:
        items = effect.items
        if effect.reader is not None and self.read is not None:
            try:
                items = read_items(self.read, effect.reader, effect.max_items)
            except ItemReaderError as error:
                return TaskFailed("States.ItemReaderFailed", str(error))
            if effect.reader.config.get("InputType") not in LINES:
                notes["afterItemsPointer"] = items
            note_items(effect, items, notes)
        if self.failed:
            return self._failure()
        total = len(items) if isinstance(items, list | dict) else 0
        if total:
            self._check_failures(total)
        if self.failures and _exceeds(self.failures, total, effect):
            return TaskFailed(TOLERANCE, TOLERANCE_CAUSE)
        return TaskSucceeded(self.result)

    def _check_failures(self, total: int) -> None:
        if self.failures is not None and self.failures > total:
            raise Fault("ValidationException", "mapIterationFailureCount exceeds the number of items of the Map state")

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
    if failed == (result is not None):  # both, or neither: then there is nothing in place of the work
        raise Fault(
            "ValidationException", "A test mock should have only one of the following fields: [result, errorOutput]."
        )
    told = _parse(result, "Mocked result must be valid JSON")
    return Mock(failed, told, error, cause, failures, read, mode)


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
