"""Map runs over an S3 that is away for a while (rules: `mapfold/local/map_run/patient_s3.py`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import EmbeddedAws, until_ended
from tests.integration.embedded.faulty_s3 import BREAK_AFTER_BYTES, Fault, FaultyS3, faulty_s3
from tests.integration.embedded.server import create_function, session, until, write_code
from tests.integration.embedded.test_running import start

ROWS = 300
FAILURES_SEEN = 3


@dataclass(frozen=True)
class Away:
    """An embedded AWS whose S3 can fail; `hold` is a function that waits until the file `gate` is there."""

    aws: EmbeddedAws
    s3: FaultyS3
    gate: Path
    hold: str


@contextmanager
def opened(folder: Path, patience_seconds: float) -> Iterator[Away]:
    with faulty_s3() as s3:
        environment = {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3.port}",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "MAPFOLD_S3_PATIENCE_SECONDS": str(patience_seconds),
        }
        with session(folder / "data", environment=environment) as running:
            s3.target = running.aws.aws_port
            client = running.aws.s3
            client.create_bucket(Bucket="bucket")
            rows = "".join(f"{n},{'x' * 200}\n" for n in range(ROWS))
            client.put_object(Bucket="bucket", Key="rows.csv", Body=f"n,text\n{rows}".encode())
            client.close()
            hold = create_function(running.aws, write_code(folder / "code"), "hold")
            yield Away(running.aws, s3, folder / "gate", hold)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    with opened(tmp_path_factory.mktemp("away"), 60) as found:
        yield found


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    with opened(tmp_path_factory.mktemp("impatient"), 1) as found:
        yield found


def start_map(found: Away, name: str, *, held: bool) -> str:
    """A Distributed Map over the rows with a ResultWriter. If `held`, its last batch waits for the gate."""
    sfn: Any = found.aws.stepfunctions
    last: dict[str, Any] = {"Type": "Pass", "End": True}
    if held:
        parameters = {"gate": str(found.gate), "n": 1}
        last = {"Type": "Task", "Resource": found.hold, "Parameters": parameters, "ResultPath": None, "End": True}
    states = {
        "Each": {
            "Type": "Map",
            "Label": "Each",
            "MaxConcurrency": 50,
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                "Parameters": {"Bucket": "bucket", "Key": "rows.csv"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Last",
                "States": {"Last": last},
            },
            "ItemBatcher": {"MaxItemsPerBatch": 10},
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": "bucket", "Prefix": name},
            },
            "End": True,
        }
    }
    return start(sfn, name, states, {})


def results(found: Away, name: str) -> list[int]:
    """The rows that the result files have, in order of their numbers."""
    client = found.aws.s3
    rows = []
    for listed in client.list_objects_v2(Bucket="bucket", Prefix=f"{name}/").get("Contents", []):
        if "SUCCEEDED" in listed["Key"]:
            with client.get_object(Bucket="bucket", Key=listed["Key"])["Body"] as body:
                for record in json.loads(body.read()):
                    rows += [int(item["n"]) for item in json.loads(record["Input"])["Items"]]
    client.close()
    return sorted(rows)


def during(s3: FaultyS3, fault: Fault) -> None:
    """Let it fail until that was seen a few times, then let it be well."""
    until(lambda: s3.seen >= (1 if fault is Fault.HANGS else FAILURES_SEEN))
    s3.fault = Fault.NONE


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BROKEN, Fault.BUSY, Fault.HANGS])
def test_a_reader_waits_out_an_outage(away: Away, fault: Fault) -> None:
    """From the first byte, or from where a body broke off: each row comes once."""
    away.s3.seen, away.s3.fault = 0, fault

    execution = start_map(away, f"read-{fault}", held=False)
    during(away.s3, fault)
    status = until_ended(away.aws.stepfunctions, execution)

    assert status == "SUCCEEDED"
    assert results(away, f"read-{fault}") == list(range(ROWS))


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.BUSY, Fault.HANGS])
def test_a_writer_waits_out_an_outage(away: Away, fault: Fault) -> None:
    """S3 goes away after everything was read, and is back a little later than the last child has ended."""
    away.gate.unlink(missing_ok=True)
    sfn: Any = away.aws.stepfunctions
    execution = start_map(away, f"write-{fault}", held=True)
    map_run = until(lambda: sfn.list_map_runs(executionArn=execution)["mapRuns"])[0]["mapRunArn"]
    until(lambda: sfn.describe_map_run(mapRunArn=map_run)["itemCounts"]["total"] == ROWS)
    away.s3.seen, away.s3.fault = 0, fault

    away.gate.touch()
    during(away.s3, fault)
    status = until_ended(sfn, execution)

    assert status == "SUCCEEDED"
    assert results(away, f"write-{fault}") == list(range(ROWS))


@pytest.mark.parametrize(("fault", "said"), [(Fault.REFUSED, "onnect"), (Fault.BUSY, "SlowDown")])
def test_a_longer_outage_fails_the_reader(impatient: Away, fault: Fault, said: str) -> None:
    """The cause names the object and the last error ("Could not connect", or "Connection was closed")."""
    impatient.s3.seen, impatient.s3.fault = 0, fault

    execution = start_map(impatient, f"unread-{fault}", held=False)
    status = until_ended(impatient.aws.stepfunctions, execution)
    impatient.s3.fault = Fault.NONE
    described: Any = impatient.aws.stepfunctions.describe_execution(executionArn=execution)

    assert (status, described["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert "s3://bucket/rows.csv" in described["cause"]
    assert said in described["cause"]


def test_a_longer_outage_fails_the_writer_and_keeps_the_children(impatient: Away) -> None:
    """The cause names the object and the last error; what the children have done stays in the map run."""
    impatient.gate.unlink(missing_ok=True)
    sfn: Any = impatient.aws.stepfunctions
    execution = start_map(impatient, "unwritten", held=True)
    map_run = until(lambda: sfn.list_map_runs(executionArn=execution)["mapRuns"])[0]["mapRunArn"]
    until(lambda: sfn.describe_map_run(mapRunArn=map_run)["itemCounts"]["total"] == ROWS)
    impatient.s3.fault = Fault.BUSY

    impatient.gate.touch()
    status = until_ended(sfn, execution)
    impatient.s3.fault = Fault.NONE
    described = sfn.describe_execution(executionArn=execution)
    counts = sfn.describe_map_run(mapRunArn=map_run)["itemCounts"]

    assert (status, described["error"]) == ("FAILED", "States.ResultWriterFailed")
    assert "s3://bucket/unwritten/" in described["cause"]
    assert "SlowDown" in described["cause"]
    assert counts["succeeded"] == ROWS


def test_the_object_is_larger_than_what_a_broken_answer_brings() -> None:
    """Else nothing would have been broken."""
    assert ROWS * 200 > BREAK_AFTER_BYTES
