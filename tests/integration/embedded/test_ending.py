"""A `mapfold local` that is killed or interrupted while a map run goes: what is left, and what the next one finds."""

from __future__ import annotations

import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.embedded.server import Session, are_gone, create_function, session, until, write_code
from tests.integration.embedded.test_running import start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def start_map_run(opened: Session, folder: Path) -> tuple[str, str]:
    """Start two executions, of a map run whose children hold on and of a Wait; the ARNs, once both are in the midst."""
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
    items = [{"n": n, "gate": str(folder / "never")} for n in range(4)]
    mapped = start(sfn, "mapped", {"Each": each}, items)
    waiting = start(sfn, "waiting", {"Wait": {"Type": "Wait", "Seconds": 50_000, "End": True}}, {})
    map_run = until(lambda: sfn.list_map_runs(executionArn=mapped)["mapRuns"])[0]["mapRunArn"]

    def in_the_midst() -> bool:
        counts = sfn.describe_map_run(mapRunArn=map_run)["itemCounts"]
        return bool((counts["succeeded"], counts["running"]) == (2, 2))

    until(in_the_midst)
    held = sfn.list_executions(mapRunArn=map_run, statusFilter="RUNNING")["executions"][0]["executionArn"]
    until(lambda: len(sfn.get_execution_history(executionArn=held)["events"]) == 6)  # a worker has it
    return mapped, waiting


def of(sfn: Any, execution: str) -> tuple[Any, list[Any], Any]:
    """An execution, its history, and its map run."""
    runs = sfn.list_map_runs(executionArn=execution)["mapRuns"]
    return (
        sfn.describe_execution(executionArn=execution),
        sfn.get_execution_history(executionArn=execution)["events"],
        sfn.describe_map_run(mapRunArn=runs[0]["mapRunArn"]) if runs else None,
    )


def test_after_kill_9_nothing_runs_on_and_the_next_session_closes_what_ran(tmp_path: Path) -> None:
    """Executions and the map run are ABORTED, with a cause that says why; what had ended is as it was."""
    with session(tmp_path / "data") as opened:
        mapped, waiting = start_map_run(opened, tmp_path)
        processes = opened.descendants()
        opened.end(signal.SIGKILL)
        until(lambda: are_gone(processes))

    with session(tmp_path / "data") as again:
        sfn: Any = again.aws.stepfunctions
        closed, events, map_run = of(sfn, mapped)
        other, _, _ = of(sfn, waiting)
        children = sfn.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
        child = sfn.get_execution_history(executionArn=children[0]["executionArn"])["events"]
        functions = {function["FunctionName"] for function in again.aws.functions.list_functions()["Functions"]}

    assert len(processes) >= 3  # moto, and workers
    assert {(one["status"], one["error"]) for one in (closed, other)} == {("ABORTED", "Mapfold.Interrupted")}
    assert "ended unexpectedly" in closed["cause"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "ExecutionAborted"
    assert map_run["status"] == "ABORTED"
    assert {name: n for name, n in map_run["itemCounts"].items() if n and name != "resultsWritten"} == {
        "succeeded": 2,
        "aborted": 2,
        "total": 4,
    }
    assert [one["status"] for one in children] == ["SUCCEEDED"] * 2
    assert child[-1]["type"] == "ExecutionSucceeded"
    assert functions == {"hold", "echo"}


def test_ctrl_c_ends_everything_in_order_and_the_next_session_shows_it(tmp_path: Path) -> None:
    """Exit code 130 at once; children are kept as ABORTED; names of earlier executions are still taken."""
    with session(tmp_path / "data") as opened:
        mapped, waiting = start_map_run(opened, tmp_path)
        processes = opened.descendants()
        code = opened.end(signal.SIGINT)
        gone = are_gone(processes)
    with sqlite3.connect(tmp_path / "data" / "stepfunctions.sqlite") as database:
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
        (left,) = database.execute("SELECT count(*) FROM executions WHERE status = 'RUNNING'").fetchone()
    database.close()

    with session(tmp_path / "data") as again:
        sfn: Any = again.aws.stepfunctions
        stopped, events, map_run = of(sfn, mapped)
        other, _, _ = of(sfn, waiting)
        children = sfn.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
        machines = {machine["name"] for machine in sfn.list_state_machines()["stateMachines"]}
        name = stopped["name"]
        with pytest.raises(sfn.exceptions.ExecutionAlreadyExists):
            sfn.start_execution(stateMachineArn=stopped["stateMachineArn"], name=name, input=stopped["input"])

    assert (code, gone, integrity, left) == (130, True, "ok", 0)
    assert {(one["status"], one["error"]) for one in (stopped, other)} == {("ABORTED", "Mapfold.Stopped")}
    assert [event["type"] for event in events[-2:]] == ["MapRunAborted", "ExecutionAborted"]
    assert map_run["status"] == "ABORTED"
    assert sorted(one["status"] for one in children) == ["ABORTED", "ABORTED", "SUCCEEDED", "SUCCEEDED"]
    assert machines == {"mapped", "waiting"}
    assert (tmp_path / "data" / "stderr.txt").read_text() == ""
