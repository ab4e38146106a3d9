"""A map run over numbers in a CSV file, whose function writes down every call: for tests that interrupt it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.embedded import EmbeddedAws
from tests.integration.embedded.server import ROLE, create_function

BUCKET = "numbers"
PER_BATCH = 3
BAD = 10
"""Every tenth number fails its batch, while the file `mended` is not there."""


@dataclass(frozen=True)
class Numbers:
    """The run's inputs, and the files that its function shares with the test."""

    folder: Path
    count: int = 360
    child_type: str = "STANDARD"
    output_type: str | None = "JSON"
    """Of the ResultWriter; None: there is none."""
    tolerated_percentage: int = 100
    seconds: float = 0.02
    """How long a call takes."""

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls.jsonl"

    @property
    def mended_file(self) -> Path:
        return self.folder / "mended"

    @property
    def batches(self) -> list[list[int]]:
        numbers = range(self.count)
        return [list(numbers[at : at + PER_BATCH]) for at in range(0, self.count, PER_BATCH)]

    @property
    def bad_batches(self) -> list[list[int]]:
        return [batch for batch in self.batches if any(number % BAD == 0 for number in batch)]

    def calls(self) -> list[int]:
        """The index of the child of every call so far, in their order."""
        try:
            text = self.calls_file.read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) // PER_BATCH for line in text.splitlines()]


def start_numbers(aws: EmbeddedAws, numbers: Numbers) -> str:
    """Put the file there, create function and machine, start; the execution's ARN."""
    code = numbers.folder / "code"
    code.mkdir()
    (code / "index.py").write_text(
        "import os, time\n"
        "def note(event, context):\n"
        "    batch = [int(item['n']) for item in event['Items']]\n"
        f"    with open({str(numbers.calls_file)!r}, 'a') as calls:\n"
        "        calls.write(f'{batch[0]}\\n')\n"
        f"    time.sleep({numbers.seconds})\n"
        f"    if any(n % {BAD} == 0 for n in batch) and not os.path.exists({str(numbers.mended_file)!r}):\n"
        "        raise ValueError(f'bad: {batch}')\n"
        "    return sum(batch)\n"
    )
    aws.s3.create_bucket(Bucket=BUCKET)
    rows = "\n".join(map(str, range(numbers.count)))
    aws.s3.put_object(Bucket=BUCKET, Key="numbers.csv", Body=f"n\n{rows}\n".encode())
    function = create_function(aws, code, "note")
    each: dict[str, Any] = {
        "Type": "Map",
        "Label": "Each",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": BUCKET, "Key": "numbers.csv"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": PER_BATCH},
        "MaxConcurrency": 8,
        "ToleratedFailurePercentage": numbers.tolerated_percentage,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": numbers.child_type},
            "StartAt": "Note",
            "States": {"Note": {"Type": "Task", "Resource": function, "End": True}},
        },
        "End": True,
    }
    if numbers.output_type is not None:
        each["ResultWriter"] = {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": BUCKET, "Prefix": "results"},
            "WriterConfig": {"OutputType": numbers.output_type, "Transformation": "NONE"},
        }
    definition = {"StartAt": "Each", "States": {"Each": each}}
    machine = aws.stepfunctions.create_state_machine(name="numbers", definition=json.dumps(definition), roleArn=ROLE)
    return aws.stepfunctions.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]


def children_on_disk(data: Path) -> dict[int, str]:
    """Index -> status of the children that the store of a process that is no more has kept."""
    database = sqlite3.connect(data / "stepfunctions.sqlite")
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {key & 0xFFFFFFFF: status for key, status in database.execute("SELECT id, status FROM children")}
    finally:
        database.close()


def map_run_of(aws: EmbeddedAws, execution: str) -> dict[str, Any]:
    """DescribeMapRun of the execution's only map run."""
    sfn: Any = aws.stepfunctions
    (run,) = sfn.list_map_runs(executionArn=execution)["mapRuns"]
    described: dict[str, Any] = sfn.describe_map_run(mapRunArn=run["mapRunArn"])
    return described


def records(aws: EmbeddedAws, execution: str) -> dict[str, list[dict[str, Any]]]:
    """Status -> all records of the result files that the execution's manifest names."""
    ended = aws.stepfunctions.describe_execution(executionArn=execution)
    details = json.loads(ended["output"])["ResultWriterDetails"]
    manifest = json.loads(text_of(aws, details["Bucket"], details["Key"]))
    found: dict[str, list[dict[str, Any]]] = {}
    for status, files in manifest["ResultFiles"].items():
        texts = [text_of(aws, details["Bucket"], file["Key"]) for file in files]
        assert [len(text.encode()) for text in texts] == [file["Size"] for file in files]
        found[status] = [record for text in texts for record in _parse(text)]
    return found


def text_of(aws: EmbeddedAws, bucket: str, key: str) -> str:
    """An object's text."""
    with aws.s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
        return body.read().decode()


def batches_of(found: list[dict[str, Any]]) -> Counter[tuple[int, ...]]:
    """How often each batch of numbers is among the records."""
    return Counter(tuple(int(item["n"]) for item in json.loads(record["Input"])["Items"]) for record in found)


def _parse(text: str) -> list[dict[str, Any]]:
    if text.startswith("["):
        parsed: list[dict[str, Any]] = json.loads(text)
        return parsed
    return [json.loads(line) for line in text.splitlines()]
