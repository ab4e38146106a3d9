"""Child executions a second with a trivial Lambda: `python -m benchmarks.children`.

A Distributed Map of STANDARD children, each of which calls one function that does nothing, through plain boto3 against
`mapfold local` in a process of its own; 2,000 children and 20,000, histories kept. Beside each, in the same run, the
raw loop: the same handler under awslambdaric against a minimal Runtime API that does nothing but hand over events.
Their ratio is what orchestration costs, and is comparable between machines where the rates are not.

The raw loop runs before and after the rounds of each size, and the ratio is to the mean of the two: a machine that is
busy with something else, or grows warm, shows as a difference between them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from benchmarks.machine import cores, keep, progress
from benchmarks.raw_loop import WARM_UP, measure_raw_loop
from mapfold.local.lambda_.fleet import default_max_workers
from tests.e2e.embedded import EmbeddedAws, serving, until_ended

SIZES = {2_000: 9, 20_000: 3}
"""Children of a map run, and how many rounds: the fewer children, the more a single round says of the machine alone.

The 20,000 numbers that are the items, and the results, have 109 KB; a state's input and output may have 256 KiB.
"""
RAW_INVOCATIONS = 10_000  # a second: fewer measure the noise
ROLE = "arn:aws:iam::123456789012:role/any"
NOTHING = "def handler(event, context):\n    return event\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure each size between two raw loops; print and keep the numbers."""
    options = parser().parse_args(arguments)
    sizes = {options.children: options.rounds} if options.children else SIZES
    numbers: dict[str, float | int] = {}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as aws:
        machine_arn = create_machine(aws)
        progress("the workers start")
        map_items(aws, machine_arn, WARM_UP * default_max_workers())  # what the raw loop leaves out as well
        raw = [raw_loop()]
        for children, rounds in sizes.items():
            rates, micros = [], []
            for round_ in range(rounds):
                progress(f"{children:,} children, {round_ + 1} of {rounds}")
                used = cpu_seconds(server_pid(aws))
                rates.append(children / map_items(aws, machine_arn, children))
                micros.append((cpu_seconds(server_pid(aws)) - used) / children * 1e6)
            raw.append(raw_loop())
            numbers |= figures(children, rates, micros, raw[-2:])
    keep("children", numbers)
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m benchmarks.children", description=__doc__)
    result.formatter_class = argparse.RawDescriptionHelpFormatter
    result.add_argument("--children", type=int, help="one size alone; default: 2,000 and 20,000")
    result.add_argument("--rounds", type=int, default=5, help="rounds of that size; the median counts")
    return result


def raw_loop() -> float:
    progress("the raw loop")
    return measure_raw_loop(RAW_INVOCATIONS, cores())


def figures(children: int, rates: list[float], micros: list[float], raw: list[float]) -> dict[str, float | int]:
    """The numbers of one size, each named for it."""
    rate, raw_rate = statistics.median(rates), statistics.mean(raw)
    found: dict[str, float | int] = {
        "per_second": rate,
        "per_second_lowest": min(rates),
        "per_second_highest": max(rates),
        "server_cpu_microseconds": statistics.median(micros),
        "raw_per_second_before": raw[0],
        "raw_per_second_after": raw[1],
        "ratio": rate / raw_rate,
    }
    return {f"{children}_children_{name}": number for name, number in found.items()}


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
    client = aws.stepfunctions
    text = json.dumps(expected, separators=(",", ":"))
    started = client.start_execution(stateMachineArn=machine_arn, input=text)
    time.sleep(items / 20_000)  # nobody is that fast: who asks in the meantime takes a core from those who work
    status = until_ended(client, started["executionArn"], within_seconds=300, ask_every_seconds=0.25)
    ended = client.describe_execution(executionArn=started["executionArn"])
    if status != "SUCCEEDED":
        raise SystemExit(f"the execution ended {status}: {ended.get('error')}: {ended.get('cause')}")
    if json.loads(ended["output"]) != expected:
        raise SystemExit("the execution's output is not its items")
    return (ended["stopDate"] - ended["startDate"]).total_seconds()


def server_pid(aws: EmbeddedAws) -> int:
    return int(json.loads((aws.data / "local.json").read_text())["pid"])


def cpu_seconds(pid: int) -> float:
    """CPU time of one process so far, its threads included and its children not; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("index.py", NOTHING)
    return archive.getvalue()


if __name__ == "__main__":
    sys.exit(main())
