"""Milliseconds of a small map run on a warm engine, from StartExecution to its end: `python -m benchmarks.start_and_end`.

100 trivial items, through plain boto3 against `mapfold local` in a process of its own: with children that call a Lambda
function and with children of a Pass state, each with and without a ResultWriter. The clock runs from the call of
StartExecution to the answer of DescribeExecution that says SUCCEEDED, asked for every few milliseconds: what a person
who waits would see. Users of AWS report 7 s and more.

The limit, in the same run: as many bare invocations of the function, by the raw loop of awslambdaric.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from mypy_boto3_stepfunctions import SFNClient

from benchmarks.children import ROLE, zipped
from benchmarks.machine import cores, given_up_after, keep, progress
from benchmarks.raw_loop import measure_raw_loop
from tests.e2e.embedded import EmbeddedAws, serving

ITEMS = 100
ROUNDS = 20
WARM_UP = 5
"""Rounds that are not in the median: workers start, clients connect, modules are imported. The first is kept apart."""
ASK_SECONDS = 0.002
LIMIT_SECONDS = 120
"""When it is given up; 100 executions take some 10 s."""
RAW_INVOCATIONS = 4_000
BUCKET = "benchmark"


def main(arguments: list[str] | None = None) -> int:
    """Measure the four forms, print and keep the numbers."""
    options = parser().parse_args(arguments)
    progress("the raw loop")
    raw_rate = measure_raw_loop(RAW_INVOCATIONS, cores())
    numbers: dict[str, float | int] = {"items": options.items, "raw_loop_milliseconds": options.items / raw_rate * 1e3}
    with given_up_after(LIMIT_SECONDS), tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as aws:
        aws.s3.create_bucket(Bucket=BUCKET)
        for name, machine in machines(aws).items():
            progress(name)
            numbers |= measure(aws.stepfunctions, name, machine, items=options.items, rounds=options.rounds)
    keep("start-and-end", numbers)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks.start_and_end", description=__doc__)
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument("--items", type=int, default=ITEMS)
    result.add_argument("--rounds", type=int, default=ROUNDS, help="how often each form is run; the median counts")
    return result


def machines(aws: EmbeddedAws) -> dict[str, str]:
    """The four state machines' ARNs, by the names that their numbers have."""
    function = aws.functions.create_function(
        FunctionName="nothing", Runtime="python3.11", Role=ROLE, Handler="index.handler", Code={"ZipFile": zipped()}
    )
    leaves = {
        "lambda": {"Type": "Task", "Resource": function["FunctionArn"], "End": True},
        "pass": {"Type": "Pass", "End": True},
    }
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "results"}}
    found = {}
    for name, leaf in leaves.items():
        for suffix, results in (("", {}), ("_written", {"ResultWriter": writer})):
            processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "Nothing"}
            processor["States"] = {"Nothing": leaf}
            states = {"Each": {"Type": "Map", "ItemProcessor": processor, **results, "End": True}}
            definition = json.dumps({"StartAt": "Each", "States": states})
            machine = aws.stepfunctions.create_state_machine(name=name + suffix, definition=definition, roleArn=ROLE)
            found[name + suffix] = machine["stateMachineArn"]
    return found


def measure(client: SFNClient, name: str, machine: str, *, items: int, rounds: int) -> dict[str, float | int]:
    text = json.dumps(list(range(items)))
    first, *_ = [run_once(client, machine, text) * 1e3 for _ in range(WARM_UP)]
    milliseconds = [run_once(client, machine, text) * 1e3 for _ in range(rounds)]
    return {
        f"{name}_milliseconds": statistics.median(milliseconds),
        f"{name}_milliseconds_lowest": min(milliseconds),
        f"{name}_milliseconds_highest": max(milliseconds),
        f"{name}_milliseconds_first": first,
    }


def run_once(client: SFNClient, machine: str, text: str) -> float:
    """Seconds from the call that starts an execution to the first answer that says how it ended."""
    began = time.perf_counter()
    arn = client.start_execution(stateMachineArn=machine, input=text)["executionArn"]
    while (ended := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(ASK_SECONDS)  # AWS has no way to wait but to ask again
    seconds = time.perf_counter() - began
    if ended["status"] != "SUCCEEDED":
        raise SystemExit(f"{machine} ended {ended['status']}: {ended.get('error')}: {ended.get('cause')}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
