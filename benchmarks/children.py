"""Child executions a second with a trivial Lambda: `python -m benchmarks.children`.

A Distributed Map of STANDARD children, each of which calls one function that does nothing, through plain boto3 against
`mapfold local` in a process of its own. Beside it, in the same run, the raw loop: the same handler under awslambdaric
against a minimal Runtime API that does nothing but hand over events. Their ratio is what orchestration costs, and is
comparable between machines where the rates are not.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.machine import cores, keep
from benchmarks.raw_loop import WARM_UP, measure_raw_loop
from mapfold.local.lambda_.fleet import default_max_workers
from tests.e2e.embedded import EmbeddedAws, serving, until_ended

CHILDREN = 10_000  # as many as the raw loop does: the start of a map run is 1 % of that
ROUNDS = 3
RAW_INVOCATIONS = 10_000  # a second or two: fewer measure the noise
ROLE = "arn:aws:iam::123456789012:role/any"
NOTHING = "def handler(event, context):\n    return event\n"


def main() -> int:
    """Measure both, print and keep the numbers."""
    raw = [measure_raw_loop(RAW_INVOCATIONS, cores())]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as aws:
        machine_arn = create_machine(aws)
        map_items(aws, machine_arn, WARM_UP * default_max_workers())  # what the raw loop leaves out as well
        rates = [CHILDREN / map_items(aws, machine_arn, CHILDREN) for _ in range(ROUNDS)]
    raw.append(measure_raw_loop(RAW_INVOCATIONS, cores()))  # before and after: a busy machine shows as a difference
    keep("children", numbers(rates, raw))
    return 0


def numbers(rates: list[float], raw: list[float]) -> dict[str, float | int]:
    rate, raw_rate = statistics.median(rates), statistics.mean(raw)
    return {
        "children": CHILDREN,
        "children_per_second": rate,
        "children_per_second_lowest": min(rates),
        "children_per_second_highest": max(rates),
        "raw_invocations_per_second": raw_rate,
        "raw_invocations_per_second_before": raw[0],
        "raw_invocations_per_second_after": raw[1],
        "ratio": rate / raw_rate,
    }


def create_machine(aws: EmbeddedAws) -> str:
    """A function from a zip and a state machine that maps it over the items of its input; gives the machine's ARN."""
    function = aws.functions.create_function(
        FunctionName="nothing", Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"ZipFile": zipped()}
    )
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Nothing",
        "States": {"Nothing": {"Type": "Task", "Resource": function["FunctionArn"], "End": True}},
    }
    definition = {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
    machine = aws.stepfunctions.create_state_machine(name="children", definition=json.dumps(definition), roleArn=ROLE)
    return machine["stateMachineArn"]


def map_items(aws: EmbeddedAws, machine_arn: str, items: int) -> float:
    """Seconds that one execution over so many items takes, by the service's own clock: from its start to its stop.

    A wrong answer is no measurement: every item must have come back from its function, in order.
    """
    expected = list(range(items))
    started = aws.stepfunctions.start_execution(stateMachineArn=machine_arn, input=json.dumps(expected))
    status = until_ended(aws.stepfunctions, started["executionArn"], within_seconds=300, ask_every_seconds=0.5)
    ended = aws.stepfunctions.describe_execution(executionArn=started["executionArn"])
    if status != "SUCCEEDED":
        raise SystemExit(f"the execution ended {status}: {ended.get('error')}: {ended.get('cause')}")
    if json.loads(ended["output"]) != expected:
        raise SystemExit("the execution's output is not its items")
    return (ended["stopDate"] - ended["startDate"]).total_seconds()


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("index.py", NOTHING)
    return archive.getvalue()


if __name__ == "__main__":
    sys.exit(main())
