"""A `mapfold local` that is killed or interrupted while executions run: what is left, and how the next one goes on."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.embedded.server import Session, are_gone, create_function, session, until, write_code
from tests.integration.embedded.test_running import start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def start_all(opened: Session, folder: Path) -> dict[str, str]:
    """Start a map run whose children hold on, a Task that does, and two Waits; the ARNs, once all are in the midst."""
    sfn: Any = opened.aws.stepfunctions
    code = write_code(folder / "code")
    hold, echo = create_function(opened.aws, code, "hold"), create_function(opened.aws, code, "echo")
    first = {"Type": "Task", "Resource": echo, "End": True}
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericLessThan": 2, "Next": "Echo"}]}
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Which",
        "States": {
            "Which": {**choice, "Default": "Hold"},
            "Echo": first,
            "Hold": {"Type": "Task", "Resource": hold, "End": True},
        },
    }
    each = {"Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": True}
    items = [{"n": n, "gate": str(folder / "gate")} for n in range(4)]
    task = {"Type": "Task", "Resource": hold, "ResultPath": "$.held", "End": True}
    started = {
        "mapped": start(sfn, "mapped", {"Each": each}, items),
        "held": start(sfn, "held", {"Before": {"Type": "Pass", "Next": "Hold"}, "Hold": task}, items[3]),
        "dozing": start(sfn, "dozing", {"Wait": {"Type": "Wait", "Seconds": 5, "End": True}}, 1),
        "waiting": start(sfn, "waiting", {"Wait": {"Type": "Wait", "Seconds": 50_000, "End": True}}, {}),
    }
    map_run = until(lambda: sfn.list_map_runs(executionArn=started["mapped"])["mapRuns"])[0]["mapRunArn"]

    def in_the_midst() -> bool:
        counts = sfn.describe_map_run(mapRunArn=map_run)["itemCounts"]
        return bool((counts["succeeded"], counts["running"]) == (2, 2))

    until(in_the_midst)
    child = sfn.list_executions(mapRunArn=map_run, statusFilter="RUNNING")["executions"][0]["executionArn"]
    until(lambda: len(history(sfn, child)) == 6)  # a worker has it
    until(lambda: types_of(sfn, started["held"])[-1] == "LambdaFunctionStarted")
    return started


def history(sfn: Any, execution: str) -> list[Any]:
    """The events of an execution."""
    events: list[Any] = sfn.get_execution_history(executionArn=execution)["events"]
    return events


def types_of(sfn: Any, execution: str) -> list[str]:
    """The types of its events."""
    return [event["type"] for event in history(sfn, execution)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_the_next_session_goes_on_with_what_ran(tmp_path: Path, number: int) -> None:
    """
    No process is left behind, no end is recorded, and a Task in flight, a Wait and a map run go on: states that were
    left are not run again, and ids go on without a gap.
    """
    with session(tmp_path / "data") as opened:
        started = start_all(opened, tmp_path)
        processes = opened.descendants()
        code = opened.end(number)
        until(lambda: are_gone(processes))
        error_output = (tmp_path / "data" / "stderr.txt").read_text()
    with sqlite3.connect(tmp_path / "data" / "stepfunctions.sqlite") as database:
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
        (left,) = database.execute("SELECT count(*) FROM executions WHERE status = 'RUNNING'").fetchone()
    database.close()
    (tmp_path / "gate").touch()

    with session(tmp_path / "data") as again:
        sfn: Any = again.aws.stepfunctions
        ended = {name: until(partial(succeeded, sfn, started[name])) for name in ("mapped", "held", "dozing")}
        waiting = sfn.describe_execution(executionArn=started["waiting"])["status"]
        held, dozing, waits = (history(sfn, started[name]) for name in ("held", "dozing", "waiting"))
        (run,) = sfn.list_map_runs(executionArn=started["mapped"])["mapRuns"]
        counts = sfn.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        first = ended["held"]
        with pytest.raises(sfn.exceptions.ExecutionAlreadyExists):
            sfn.start_execution(stateMachineArn=first["stateMachineArn"], name=first["name"], input="{}")
    log = (tmp_path / "data" / "stderr.txt").read_text()

    assert len(processes) >= 3  # moto, and workers
    assert (code, integrity, left) == (130 if number == signal.SIGINT else -9, "ok", 4)
    assert error_output == (
        f"4 execution(s) had not ended; the next start on {tmp_path / 'data'} goes on with them\n"
        if number == signal.SIGINT
        else ""
    )
    assert "going on with 4 execution(s) that had not ended" in log
    assert [event["id"] for event in held] == list(range(1, len(held) + 1))
    kinds = [event["type"] for event in held]
    assert (kinds.count("PassStateEntered"), kinds.count("TaskStateEntered")) == (1, 1)
    assert json.loads(ended["held"]["output"])["held"] == 3
    assert [event["type"] for event in dozing][1:3] == ["WaitStateEntered", "WaitStateExited"]
    assert (waiting, [event["type"] for event in waits]) == ("RUNNING", ["ExecutionStarted", "WaitStateEntered"])
    assert len(json.loads(ended["mapped"]["output"])) == 4
    assert (counts["succeeded"], counts["total"], counts["aborted"]) == (4, 4, 0)


def succeeded(sfn: Any, execution: str) -> Any:
    """The execution if it has succeeded."""
    found = sfn.describe_execution(executionArn=execution)
    assert found["status"] in ("RUNNING", "SUCCEEDED"), found
    return found if found["status"] == "SUCCEEDED" else None
