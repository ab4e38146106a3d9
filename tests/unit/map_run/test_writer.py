"""Results: files in S3 with their manifest, and the Map state's own output."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.map_run import Child, ChildResult
from mapfold.local.map_run.counters import Tally
from mapfold.local.map_run.model import PAYLOAD_LIMIT_BYTES, DataLimitError, ResultWriterError
from mapfold.local.map_run.records import iso_time
from mapfold.local.map_run.state_results import StateResults
from mapfold.local.map_run.writer import S3Results
from mapfold.states.effects import Json, WriterSpec
from tests.unit.map_run.fakes import IDENTITY, RUN_UUID, FakeS3, refusal

FOLDER = f"runs/{RUN_UUID}"


def ended(index: int, output: Json = None, *, status: str = "SUCCEEDED", items: int = 1) -> tuple[Child, ChildResult]:
    child = Child(index, items, json.dumps({"i": index}))
    succeeded = status == "SUCCEEDED"
    result = ChildResult(
        status,
        json.dumps(output) if succeeded else None,
        None if succeeded else "E",
        None if succeeded else "why",
        f"name-{index}",
        f"arn-{index}",
        1000.0,
        1001.5,
    )
    return child, result


def s3_results(
    s3: FakeS3,
    spec: WriterSpec | None = None,
    *,
    child_type: str = "STANDARD",
    file_bytes: int = 10**9,
    part_bytes: int = 10**6,
    items: Tally | None = None,
    executions: Tally | None = None,
) -> S3Results:
    return S3Results(
        spec or WriterSpec("out", "runs/"),
        IDENTITY,
        s3=lambda: s3,
        child_type=child_type,
        items=items or Tally(),
        executions=executions or Tally(),
        file_bytes=file_bytes,
        part_bytes=part_bytes,
    )


async def written(results: S3Results, *ends: tuple[Child, ChildResult]) -> Json:
    try:
        for child, result in ends:
            results.add(child, result)
            await results.drain()
        return await results.close()
    finally:
        results.release()


def state_results(transformation: str = "COMPACT") -> StateResults:
    return StateResults(
        IDENTITY,
        state_name="Map",
        child_type="STANDARD",
        transformation=transformation,
        items=Tally(),
        executions=Tally(),
    )


class TestFiles:
    async def test_the_output_points_to_the_manifest_and_that_to_the_files(self) -> None:
        """`{"MapRunArn","ResultWriterDetails"}`; sizes are true; a status without records has an empty list."""
        s3 = FakeS3()

        output = await written(s3_results(s3), ended(0, {"a": 1}), ended(1, status="FAILED"), ended(2, [2]))

        assert output == {
            "MapRunArn": IDENTITY.map_run_arn,
            "ResultWriterDetails": {"Bucket": "out", "Key": f"{FOLDER}/manifest.json"},
        }
        manifest = s3.json("out", f"{FOLDER}/manifest.json")
        assert manifest["DestinationBucket"] == "out"
        assert manifest["MapRunArn"] == IDENTITY.map_run_arn
        assert manifest["ResultFiles"] == {
            status: [{"Key": key, "Size": len(s3.objects["out", key])} for key in keys]
            for status, keys in {
                "FAILED": [f"{FOLDER}/FAILED_0.json"],
                "PENDING": [],
                "SUCCEEDED": [f"{FOLDER}/SUCCEEDED_0.json"],
            }.items()
        }

    async def test_records_have_the_documented_fields(self) -> None:
        """Input and Output are texts of JSON; a failed one has Error and Cause, and OutputDetails, but no Output."""
        s3 = FakeS3()
        machine = "arn:aws:states:us-east-1:123456789012:stateMachine:flights/Days"

        await written(s3_results(s3), ended(0, {"a": 1}), ended(1, status="FAILED"))

        assert s3.json("out", f"{FOLDER}/SUCCEEDED_0.json") == [
            {
                "ExecutionArn": "arn-0",
                "Input": '{"i": 0}',
                "InputDetails": {"Included": True},
                "Name": "name-0",
                "Output": '{"a": 1}',
                "OutputDetails": {"Included": True},
                "RedriveCount": 0,
                "RedriveStatus": "NOT_REDRIVABLE",
                "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
                "StartDate": "1970-01-01T00:16:40.000Z",
                "StateMachineArn": machine,
                "Status": "SUCCEEDED",
                "StopDate": "1970-01-01T00:16:41.500Z",
            }
        ]
        assert s3.json("out", f"{FOLDER}/FAILED_0.json") == [
            {
                "Cause": "why",
                "Error": "E",
                "ExecutionArn": "arn-1",
                "Input": '{"i": 1}',
                "InputDetails": {"Included": True},
                "Name": "name-1",
                "OutputDetails": {"Included": True},
                "RedriveCount": 0,
                "RedriveStatus": "REDRIVABLE",
                "StartDate": "1970-01-01T00:16:40.000Z",
                "StateMachineArn": machine,
                "Status": "FAILED",
                "StopDate": "1970-01-01T00:16:41.500Z",
            }
        ]

    @pytest.mark.parametrize(
        ("transformation", "values"),
        [("COMPACT", [{"a": 1}, [2, 3], [], 4]), ("FLATTEN", [{"a": 1}, 2, 3, 4])],
    )
    @pytest.mark.parametrize("output_type", ["JSON", "JSONL"])
    async def test_compact_and_flatten(self, transformation: str, values: list[Json], output_type: str) -> None:
        """Outputs as they are, or with arrays spliced one level; in an array, or one a line."""
        s3 = FakeS3()
        spec = WriterSpec("out", "runs", output_type, transformation)
        outputs = [{"a": 1}, [2, 3], [], 4]

        await written(s3_results(s3, spec), *(ended(index, output) for index, output in enumerate(outputs)))

        ending = output_type.lower()
        assert s3.json("out", f"{FOLDER}/SUCCEEDED_0.{ending}") == values

    async def test_a_failed_child_leaves_a_record_whatever_the_transformation(self) -> None:
        """Also for EXPRESS children, whose redrive status is another."""
        s3 = FakeS3()
        results = s3_results(s3, WriterSpec("out", "runs", "JSONL", "FLATTEN"), child_type="EXPRESS")

        await written(results, ended(0, status="TIMED_OUT"), ended(1, status="ABORTED"))

        records = s3.json("out", f"{FOLDER}/FAILED_0.jsonl")
        assert [record["Status"] for record in records] == ["TIMED_OUT", "ABORTED"]
        assert {record["RedriveStatus"] for record in records} == {"REDRIVABLE_BY_MAP_RUN"}

    async def test_without_a_prefix_the_key_begins_with_the_uuid(self) -> None:
        """Nothing stands before the map run's own folder."""
        s3 = FakeS3()

        await written(s3_results(s3, WriterSpec("out", "")), ended(0))

        assert sorted(key for _, key in s3.objects) == [f"{RUN_UUID}/SUCCEEDED_0.json", f"{RUN_UUID}/manifest.json"]

    async def test_pending_children_have_a_short_record(self) -> None:
        """Input, InputDetails and the status; nothing that only a started child has."""
        s3 = FakeS3()
        results = s3_results(s3)
        results.add_pending(Child(3, 2, '{"i":3}'))

        await written(results)

        assert s3.json("out", f"{FOLDER}/PENDING_0.json") == [
            {"Input": '{"i":3}', "InputDetails": {"Included": True}, "Status": "PENDING"}
        ]

    @given(
        outputs=st.lists(st.text(max_size=50), min_size=1, max_size=40),
        file_bytes=st.integers(60, 400),
        part_bytes=st.integers(20, 200),
        output_type=st.sampled_from(["JSON", "JSONL"]),
    )
    async def test_files_keep_their_size_and_hold_everything_once(
        self, outputs: list[str], file_bytes: int, part_bytes: int, output_type: str
    ) -> None:
        """
        A file that is full is followed by the next number; together they hold every value once, in order,
        however the parts fall; and the manifest's sizes are true.
        """
        s3 = FakeS3()
        spec = WriterSpec("out", "runs", output_type, "COMPACT")
        results = s3_results(s3, spec, file_bytes=file_bytes, part_bytes=part_bytes)

        await written(results, *(ended(index, output) for index, output in enumerate(outputs)))

        files = s3.json("out", f"{FOLDER}/manifest.json")["ResultFiles"]["SUCCEEDED"]
        assert [value for file in files for value in s3.json("out", file["Key"])] == outputs
        for number, file in enumerate(files):
            assert file["Key"] == f"{FOLDER}/SUCCEEDED_{number}.{output_type.lower()}"
            assert file["Size"] == len(s3.objects["out", file["Key"]])
            assert file["Size"] <= file_bytes or len(s3.json("out", file["Key"])) == 1
        assert not s3.uploads

    async def test_parts_leave_memory_while_the_run_goes_on(self) -> None:
        """A file of many parts is a multipart upload, begun long before the file is closed."""
        s3 = FakeS3()
        results = s3_results(s3, part_bytes=10_000)

        for index in range(100):
            results.add(*ended(index, "x" * 1000))
            await results.drain()
        parts_before_the_end = len(s3.calls("upload_part"))
        await written(results)

        assert parts_before_the_end > 8
        assert len(s3.calls("complete_multipart_upload")) == 1
        assert len(s3.json("out", f"{FOLDER}/SUCCEEDED_0.json")) == 100

    async def test_results_count_as_written_when_their_file_is_there(self) -> None:
        """resultsWritten counts items and executions apart, and only what is complete in S3."""
        items, executions = Tally(), Tally()
        results = s3_results(FakeS3(), items=items, executions=executions)
        results.add(*ended(0, items=5))
        before = items.results_written

        await written(results, ended(1, items=3, status="FAILED"))

        assert (before, items.results_written, executions.results_written) == (0, 8, 2)

    async def test_what_s3_refuses_is_an_error_that_names_the_object(self) -> None:
        """States.ResultWriterFailed with S3's code and message; no half upload stays behind."""
        s3 = FakeS3()
        results = s3_results(s3, part_bytes=1000)
        for index in range(20):
            results.add(*ended(index, "x" * 200))
            await results.drain()
        s3.refuse_writes = refusal("NoSuchBucket", "The specified bucket does not exist")

        with pytest.raises(ResultWriterError) as caught:
            await written(results)

        assert caught.value.error == "States.ResultWriterFailed"
        assert caught.value.cause == (
            "The specified bucket does not exist (Service: S3, Status Code: 404, Request ID: R, Extended Request ID: H) (SDK Attempt Count: 1)"
        )
        results._thread.shutdown(wait=True)
        assert not s3.uploads

    async def test_a_refusal_is_reported_once(self) -> None:
        """The error comes out of `close`, which waits for it; asyncio has nothing left to complain about."""
        complaints: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: complaints.append(context))
        s3 = SlowS3(refuse_writes=refusal("NoSuchBucket", "The specified bucket does not exist"))
        results = s3_results(s3)
        loop.call_soon(s3.answers.set)

        with pytest.raises(ResultWriterError):
            await written(results, ended(0))
        gc.collect()

        assert complaints == []


@dataclass
class SlowS3(FakeS3):
    """Answers a PutObject when it is allowed to."""

    answers: threading.Event = field(default_factory=threading.Event)

    def put_object(self, **kwargs: Any) -> Any:
        self.answers.wait(10)
        return super().put_object(**kwargs)


class TestStateOutput:
    def test_outputs_in_the_order_of_the_children(self) -> None:
        """However they ended; a tolerated failure is its record."""
        results = state_results()
        results.add(*ended(2, "c"))
        results.add(*ended(0, "a"))
        results.add(*ended(1, status="FAILED"))

        output = results.output()

        assert [output.output[0], output.output[1]["Status"], output.output[2]] == ["a", "FAILED", "c"]
        assert json.loads(output.text or "") == output.output

    @pytest.mark.parametrize(("transformation", "first"), [("FLATTEN", 1), ("COMPACT", [1, 2])])
    def test_a_writer_config_alone_shapes_the_output(self, transformation: str, first: Json) -> None:
        """Nothing goes to S3; FLATTEN of an empty array adds nothing."""
        results = state_results(transformation)
        results.add(*ended(0, [1, 2]))
        results.add(*ended(1, []))

        assert results.output().output[0] == first

    @pytest.mark.parametrize(("size", "fits"), [(PAYLOAD_LIMIT_BYTES - 4, True), (PAYLOAD_LIMIT_BYTES - 3, False)])
    def test_an_output_over_256_kib_is_an_error(self, size: int, fits: bool) -> None:
        """Exactly 262,144 bytes still fit; more is States.DataLimitExceeded with AWS's words."""
        results = state_results()
        results.add(*ended(0, "x" * size))

        if fits:
            assert len(results.output().text or "") == PAYLOAD_LIMIT_BYTES
        else:
            with pytest.raises(DataLimitError, match="The state/task 'Map' returned a result with a size exceeding"):
                results.output()


@given(seconds=st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000))
def test_times_are_iso_8601_with_milliseconds(seconds: float) -> None:
    """As the records show them, in UTC."""
    moment = datetime.fromtimestamp(round(seconds * 1000) / 1000, UTC)

    assert iso_time(seconds) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
