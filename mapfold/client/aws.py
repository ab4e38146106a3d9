"""The one module that knows botocore: typed methods that return our values and raise our errors.

Paginators, retries, timeouts and error codes stay in here. The same calls go to AWS and to the embedded one; only the
endpoints differ. Methods may be called from several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from mapfold.client.arns import is_map_run_arn, label_of
from mapfold.client.errors import NotRedrivable, RunNameTaken, Unreachable
from mapfold.client.express_history import express_events
from mapfold.client.stack import StackFacts
from mapfold.client.target import DEFAULT_REGION, Target
from mapfold.client.values import (
    Counts,
    Event,
    Execution,
    ExecutionSummary,
    FunctionFacts,
    Json,
    Lineage,
    MapRun,
    MapRunSummary,
    Page,
    StateMachine,
    Status,
)
from mapfold.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import (
        ExecutionListItemTypeDef,
        MapRunExecutionCountsTypeDef,
        MapRunItemCountsTypeDef,
    )

_RECORDS_AT_ONCE = 100
"""Most items in one BatchGetItem (DynamoDB quotas)."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ROLE = "arn:aws:iam::{account}:role/mapfold-local"
"""The embedded AWS asks for a role's ARN, as AWS does, and gives it no meaning."""

_FOLDERS = "mapfold-local"
"""The bucket that the embedded AWS takes for this machine's folders; a key in it is one's path."""


class AwsClient:
    """AWS as Mapfold needs it: Step Functions, and what a deployment and a run's results take of Lambda, S3, DynamoDB.

    `clients`: boto3 clients by service name, where the caller has made them already.
    """

    def __init__(self, target: Target, *, clients: Mapping[str, Any] | None = None) -> None:
        self.target = target
        self._lock = threading.Lock()  # a boto3 session makes clients for one thread at a time
        self._clients: dict[str, Any] = dict(clients or {})
        self._account = target.account
        with speaking():
            self._session = boto3.Session(
                botocore_session=_without_profile() if target.dummy_credentials else None,
                profile_name=target.profile,
                region_name=target.region,
                aws_access_key_id="mapfold" if target.dummy_credentials else None,
                aws_secret_access_key="local" if target.dummy_credentials else None,
            )

    @property
    def region(self) -> str:
        """The region that calls go to."""
        return self._session.region_name or DEFAULT_REGION

    @property
    def account(self) -> str:
        """The account that the credentials belong to; asks STS once."""
        if self._account is None:
            with speaking():
                self._account = self._client("sts").get_caller_identity()["Account"]
        return self._account

    # --- executions ---------------------------------------------------------------------------------------

    def start_execution(self, machine_arn: str, *, name: str, input: str) -> str:
        """Start an execution; gives its ARN. A name that was used before is `RunNameTaken`."""
        try:
            answer = self._sfn.start_execution(stateMachineArn=machine_arn, name=name, input=input)
        except ClientError as error:
            if _code(error) == "ExecutionAlreadyExists":
                raise RunNameTaken(name) from error
            raise _refused(error) from error
        except BotoCoreError as error:
            raise _unreachable(error) from error
        return answer["executionArn"]

    def stop_execution(self, arn: str, *, error: str, cause: str) -> datetime:
        """Abort an execution; when it stopped. Nothing happens to one that has ended."""
        with speaking():
            return self._sfn.stop_execution(executionArn=arn, error=error, cause=cause)["stopDate"]

    def redrive_execution(self, arn: str) -> datetime:
        """Let an execution that ended without success go on; when. `NotRedrivable`, with the reason, if it cannot."""
        try:
            return self._sfn.redrive_execution(executionArn=arn)["redriveDate"]
        except ClientError as error:
            if _code(error) == "ExecutionNotRedrivable":
                raise NotRedrivable(arn.rpartition(":")[2], _message(error)) from error
            raise _refused(error) from error
        except BotoCoreError as error:
            raise _unreachable(error) from error

    def abort_record(self, execution_arn: str, *, stopped: datetime, error: str, cause: str) -> bool:
        """Close the record of an execution's run as ABORTED, if it is open; whether it was.

        The state machine closes the records of all runs that it sees end; an execution that is stopped runs no more
        state that could.
        """
        facts = {
            "stopped_at": stopped.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "error": error,
            "cause": cause,
        }
        update = "SET #status = :to, " + ", ".join(f"#{name} = :{name}" for name in facts)
        return self._turn_record(execution_arn, update, facts, before="RUNNING", after="ABORTED")

    def reopen_record(self, execution_arn: str) -> bool:
        """Turn the record of an execution's run from ABORTED back to RUNNING, if it is so; whether it was.

        What `abort_record` wrote is taken away. A record that the state machine closed itself stays: no state that a
        redrive runs would close it again.
        """
        update = "SET #status = :to REMOVE #stopped_at, #error, #cause"
        return self._turn_record(execution_arn, update, {}, before="ABORTED", after="RUNNING")

    def _turn_record(
        self, execution_arn: str, update: str, facts: Mapping[str, str], *, before: str, after: str
    ) -> bool:
        """Carry out `update` if the record is this execution's and has the status `before`; whether it had."""
        values = {**facts, "execution": execution_arn, "from": before, "to": after}
        turned = self._find(
            ("ConditionalCheckFailedException", "ResourceNotFoundException"),
            lambda: self._dynamodb.update_item(
                TableName=self.target.runs_table,
                Key={"run_id": {"S": execution_arn.rpartition(":")[2]}},
                UpdateExpression=update,
                ConditionExpression="#execution = :execution AND #status = :from",
                ExpressionAttributeNames={
                    f"#{name}": name for name in ("execution", "status", "stopped_at", "error", "cause")
                },
                ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
            ),
        )
        return turned is not None

    def lineages(self, run_ids: Sequence[str]) -> dict[str, Lineage]:
        """What each run stands on, by its record; nothing of those that have none (any more)."""
        found: dict[str, Lineage] = {}
        table = self.target.runs_table
        for first in range(0, len(run_ids), _RECORDS_AT_ONCE):
            wanted: Any = [{"run_id": {"S": run}} for run in dict.fromkeys(run_ids[first : first + _RECORDS_AT_ONCE])]
            for delay in (0.0, 0.2, 0.5, 1.0, 2.0, 5.0):
                time.sleep(delay)  # DynamoDB leaves out what would be more than 16 MB, or than it can read just now
                answer = self._batch_of_records(table, wanted)
                found.update(_lineage(item) for item in answer["Responses"].get(table, ()))
                wanted = answer["UnprocessedKeys"].get(table, {}).get("Keys")
                if not wanted:
                    break
            else:
                raise ServiceError(f"table {table} is too busy: it left {len(wanted)} records unread. Try again.")
        return found

    def _batch_of_records(self, table: str, keys: Any) -> Any:
        names = ("run_id", "lineage", "retried_by")
        asked: Any = {"Keys": keys, "ProjectionExpression": ", ".join(names)}
        nothing: dict[str, Any] = {"Responses": {}, "UnprocessedKeys": {}}

        def ask() -> Any:
            return self._dynamodb.batch_get_item(RequestItems={table: asked})

        return self._find("ResourceNotFoundException", ask) or nothing

    def find_record(self, run_id: str) -> Mapping[str, Json] | None:
        """The record of a run, or None if there is none (any more). Numbers are int or float."""
        answer = self._find(
            "ResourceNotFoundException",
            lambda: self._dynamodb.get_item(
                TableName=self.target.runs_table, Key={"run_id": {"S": run_id}}, ConsistentRead=True
            ),
        )
        item = (answer or {}).get("Item")
        return None if item is None else {name: _plain(value) for name, value in item.items()}

    def find_execution(self, arn: str) -> Execution | None:
        """What DescribeExecution says, or None if there is no such execution."""
        answer = self._find("ExecutionDoesNotExist", lambda: self._sfn.describe_execution(executionArn=arn))
        return None if answer is None else _execution(answer)

    def executions(self, machine_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
        """The executions of a state machine, of one status or all, newest first; pages as they are asked for."""
        return self._executions(machine_arn, status)

    def children(self, map_run_arn: str, status: Status | None = None) -> Iterator[ExecutionSummary]:
        """The child executions of a map run, of one status or all; pages as they are asked for."""
        return self._executions(map_run_arn, status)

    def execution_page(
        self, arn: str, *, status: Status | None = None, size: int = 1000, token: str | None = None
    ) -> Page[ExecutionSummary]:
        """One page of the executions of a state machine, or of the children of a map run, newest first."""
        asked: dict[str, Any] = {"mapRunArn" if is_map_run_arn(arn) else "stateMachineArn": arn, "maxResults": size}
        asked |= {"statusFilter": str(status)} if status else {}
        asked |= {"nextToken": token} if token else {}
        with speaking():
            answer = self._sfn.list_executions(**asked)
        return Page(tuple(_execution_summary(line) for line in answer["executions"]), answer.get("nextToken"))

    def events(self, arn: str, *, newest_first: bool = False, page: int = 1000) -> Iterator[Event]:
        """The history of an execution; pages of `page` events as they are asked for.

        An EXPRESS execution has none: GetExecutionHistory refuses it (history-events.md 5). Of an EXPRESS child the
        embedded AWS tells it elsewhere.
        """
        pages = self._sfn.get_paginator("get_execution_history").paginate(
            executionArn=arn, reverseOrder=newest_first, PaginationConfig={"PageSize": page}
        )
        try:
            for answer in pages:
                for event in answer["events"]:
                    yield _event(cast(dict[str, Any], event))
        except ClientError as error:
            if _code(error) != "StateMachineTypeNotSupported":
                raise _refused(error) from error
            if self.target.is_local:
                yield from express_events(
                    self.target.endpoints["stepfunctions"], arn, newest_first=newest_first, page=page
                )
        except BotoCoreError as error:
            raise _unreachable(error) from error

    def event_page(self, arn: str, *, size: int = 1000, token: str | None = None) -> Page[Event]:
        """One page of the history of a STANDARD execution, oldest first."""
        asked: dict[str, Any] = {"executionArn": arn, "maxResults": size, **({"nextToken": token} if token else {})}
        with speaking():
            answer = self._sfn.get_execution_history(**asked)
        return Page(tuple(_event(cast(dict[str, Any], event)) for event in answer["events"]), answer.get("nextToken"))

    def map_runs(self, execution_arn: str) -> list[MapRunSummary]:
        """The map runs of an execution, oldest first. There are as many as Map states ran: a few."""
        with speaking():
            pages = self._sfn.get_paginator("list_map_runs").paginate(executionArn=execution_arn)
            runs = [
                MapRunSummary(
                    arn=run["mapRunArn"],
                    label=label_of(run["mapRunArn"]),
                    started=_seconds(run["startDate"]),
                    stopped=_maybe_seconds(run.get("stopDate")),
                )
                for page in pages
                for run in page["mapRuns"]
            ]
        return sorted(runs, key=lambda run: run.started)

    def map_run(self, arn: str) -> MapRun:
        """What DescribeMapRun says."""
        with speaking():
            answer = self._sfn.describe_map_run(mapRunArn=arn)
        return MapRun(
            arn=answer["mapRunArn"],
            execution_arn=answer["executionArn"],
            label=label_of(answer["mapRunArn"]),
            status=Status(answer["status"]),
            started=_seconds(answer["startDate"]),
            stopped=_maybe_seconds(answer.get("stopDate")),
            max_concurrency=answer["maxConcurrency"],
            items=_counts(answer["itemCounts"]),
            children=_counts(answer["executionCounts"]),
            redrive_count=answer.get("redriveCount", 0),
        )

    # --- state machines -----------------------------------------------------------------------------------

    def state_machines(self) -> Iterator[StateMachine]:
        """The state machines of the target's jobs: made of the jobs' names where they are known, otherwise listed."""
        if self.target.jobs is not None:
            yield from (StateMachine(self.machine_arn(job), job) for job in self.target.jobs)
            return
        with speaking():
            for page in self._sfn.get_paginator("list_state_machines").paginate():
                for machine in page["stateMachines"]:
                    if machine["name"].startswith(self.target.machine_prefix):
                        yield StateMachine(machine["stateMachineArn"], self.target.job_of(machine["name"]))

    def machine_arn(self, job: str) -> str:
        """The ARN of a job's state machine here, whether there is one or not."""
        return self.target.machine_arn(job, region=self.region, account=self.account)

    def find_definition(self, machine_arn: str) -> str | None:
        """The definition's text of a state machine, or None if there is no such state machine."""
        answer = self._find(
            "StateMachineDoesNotExist", lambda: self._sfn.describe_state_machine(stateMachineArn=machine_arn)
        )
        return None if answer is None else str(answer["definition"])

    def find_definition_of(self, execution_arn: str) -> str | None:
        """The definition's text that an execution was started with, or None if there is no such execution."""
        answer = self._find(
            "ExecutionDoesNotExist",
            lambda: self._sfn.describe_state_machine_for_execution(executionArn=execution_arn),
        )
        return None if answer is None else str(answer["definition"])

    def create_state_machine(self, name: str, definition: str) -> None:
        """Create a STANDARD state machine."""
        with speaking():
            self._sfn.create_state_machine(name=name, definition=definition, roleArn=self._role, type="STANDARD")

    def update_state_machine(self, machine_arn: str, definition: str) -> None:
        """Give a state machine a new definition; executions that run keep the old one."""
        with speaking():
            self._sfn.update_state_machine(stateMachineArn=machine_arn, definition=definition)

    def find_stack(self, name: str) -> StackFacts | None:
        """What DescribeStacks says of a CloudFormation stack, or None if there is none of that name."""
        try:
            with speaking():
                (stack,) = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ServiceError as error:
            # CloudFormation has no code of its own for it.
            if error.code == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return StackFacts(
            id=stack["StackId"],
            status=stack["StackStatus"],
            reason=stack.get("StackStatusReason", ""),
            outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())},
        )

    # --- functions ----------------------------------------------------------------------------------------

    def find_function(self, name: str) -> FunctionFacts | None:
        """What GetFunction says, or None if there is no such function."""
        answer = self._find("ResourceNotFoundException", lambda: self._lambda.get_function(FunctionName=name))
        if answer is None:
            return None
        facts = answer["Configuration"]
        return FunctionFacts(
            arn=facts["FunctionArn"],
            handler=facts.get("Handler", ""),
            timeout_seconds=facts.get("Timeout", 3),
            memory_mb=facts.get("MemorySize", 128),
            environment=facts.get("Environment", {}).get("Variables", {}),
        )

    def create_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool:
        """Create a Lambda function that runs a local folder in place; False if one of that name is there already.

        Only the embedded AWS knows the convention: the bucket `mapfold-local`, the folder's absolute path as the key.
        """
        return self._created(
            "ResourceConflictException",
            lambda: self._lambda.create_function(
                FunctionName=name,
                Runtime=cast(Any, runtime),
                Role=self._role,
                Handler=handler,
                Code={"S3Bucket": _FOLDERS, "S3Key": folder},
                Timeout=timeout_seconds,
                MemorySize=memory_mb,
                Environment={"Variables": dict(environment)},
            ),
        )

    def update_folder_function(
        self,
        name: str,
        *,
        folder: str,
        handler: str,
        runtime: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str],
    ) -> bool:
        """Change such a function in place; False if another command changed or deleted it meanwhile.

        The code first, then the settings, and these only if nobody else came in between: two commands never leave the
        code of one with the settings of the other.
        """

        def change() -> None:
            changed = self._lambda.update_function_code(FunctionName=name, S3Bucket=_FOLDERS, S3Key=folder)
            self._lambda.update_function_configuration(
                FunctionName=name,
                Runtime=cast(Any, runtime),
                Handler=handler,
                Timeout=timeout_seconds,
                MemorySize=memory_mb,
                Environment={"Variables": dict(environment)},
                RevisionId=changed["RevisionId"],
            )

        return self._created(("PreconditionFailedException", "ResourceNotFoundException"), change)

    # --- storage ------------------------------------------------------------------------------------------

    def ensure_bucket(self, name: str) -> bool:
        """Make sure that a bucket of ours exists; whether it had to be created."""
        if self._find("404", lambda: self._s3.head_bucket(Bucket=name)) is not None:
            return False
        # us-east-1 is the one region that must not be named (S3 API Reference, CreateBucket).
        place: dict[str, Any] = (
            {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        )
        return self._created("BucketAlreadyOwnedByYou", lambda: self._s3.create_bucket(Bucket=name, **place))

    def ensure_table(self, name: str, keys: Sequence[str]) -> bool:
        """Make sure that a table with these key attributes (strings: hash, then range) exists; whether it was made."""
        found = self._find("ResourceNotFoundException", lambda: self._dynamodb.describe_table(TableName=name))
        if found is not None:
            existing = [key["AttributeName"] for key in sorted(found["Table"]["KeySchema"], key=lambda k: k["KeyType"])]
            if existing != list(keys):
                raise UsageError(
                    f"table {name!r} is there with the key {' and '.join(existing)}, and the job declares "
                    f"{' and '.join(keys)}. Delete the table, or give the job's table another name."
                )
            return False
        kinds: tuple[Literal["HASH", "RANGE"], ...] = ("HASH", "RANGE")
        created = self._created(
            "ResourceInUseException",
            lambda: self._dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)],
            ),
        )
        return created or self.ensure_table(name, keys)

    def object_size(self, bucket: str, key: str) -> int | None:
        """Bytes of an object, or None if there is none."""
        answer = self._find_object(bucket, key, "404", lambda: self._s3.head_object(Bucket=bucket, Key=key))
        return None if answer is None else int(answer["ContentLength"])

    def object_text(self, bucket: str, key: str) -> str:
        """An object whole, as UTF-8 text."""
        with speaking():
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    def object_lines(self, bucket: str, key: str) -> Iterator[bytes] | None:
        """The lines of an object as a stream, or None if there is no such object (or bucket)."""
        missing = ("NoSuchKey", "NoSuchBucket")
        answer = self._find_object(bucket, key, missing, lambda: self._s3.get_object(Bucket=bucket, Key=key))
        return None if answer is None else _lines(answer["Body"])

    def object_range(self, bucket: str, key: str, *, start: int, length: int) -> tuple[bytes, int] | None:
        """Bytes of an object from `start` on, at most `length`, and its size; None if there is no such object.

        No bytes where it ends before `start`; the size is `start` then.
        """
        where = f"bytes={start}-{start + length - 1}"
        answer = self._find_object(
            bucket,
            key,
            ("NoSuchKey", "NoSuchBucket", "InvalidRange"),
            lambda: self._s3.get_object(Bucket=bucket, Key=key, Range=where),
        )
        if answer is None:
            return None if self.object_size(bucket, key) is None else (b"", start)
        with speaking():
            return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])

    def object_link(self, bucket: str, key: str, *, seconds: int) -> str:
        """A URL that anybody may get the object with, for so many seconds, but not longer than our credentials live."""
        with speaking():
            return self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
            )

    def object_keys(self, bucket: str, prefix: str, *, after: str = "") -> Iterator[str]:
        """The keys under a prefix behind the key `after`, in order; nothing where there is no such bucket."""
        paginator = self._s3.get_paginator("list_objects_v2")
        behind: Any = {"StartAfter": after} if after else {}
        try:
            for page in paginator.paginate(Bucket=bucket, Prefix=prefix, **behind):
                for entry in page.get("Contents", ()):
                    yield entry["Key"]
        except ClientError as error:
            if _code(error) != "NoSuchBucket":
                raise _refused(error) from error
        except BotoCoreError as error:
            raise _unreachable(error) from error

    # --- how ----------------------------------------------------------------------------------------------

    @property
    def _sfn(self) -> SFNClient:
        return cast("SFNClient", self._client("stepfunctions"))

    @property
    def _lambda(self) -> LambdaClient:
        return cast("LambdaClient", self._client("lambda"))

    @property
    def _s3(self) -> S3Client:
        return cast("S3Client", self._client("s3"))

    @property
    def _dynamodb(self) -> DynamoDBClient:
        return cast("DynamoDBClient", self._client("dynamodb"))

    @property
    def _role(self) -> str:
        return _ROLE.format(account=self.account)

    def s3_client(self) -> S3Client:
        """The boto3 client itself, for what reads or writes S3 with functions of `mapfold.runs`, or a job's example."""
        return self._s3

    def boto3_client(self, service: str) -> Any:
        """The boto3 client of a service that has no methods here. Call it inside `speaking()`."""
        return self._client(service)

    def at(self, target: Target) -> AwsClient:
        """This client's credentials and connections, for another target in the same region."""
        return AwsClient(target, clients=self._clients)

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    cast(Any, service),
                    endpoint_url=self.target.endpoints.get(service),
                    config=_config(service, self.target.endpoints.get(service)),
                )
            return self._clients[service]

    def _executions(self, arn: str, status: Status | None) -> Iterator[ExecutionSummary]:
        token: str | None = None
        while True:
            page = self.execution_page(arn, status=status, token=token)
            yield from page.items
            if not (token := page.next):
                return

    def _find(self, missing: str | tuple[str, ...], call: Any) -> Any:
        """The answer of `call`, or None where it is refused with the code that says that the thing is not there."""
        try:
            with speaking():
                return call()
        except ServiceError as error:
            if error.code in ((missing,) if isinstance(missing, str) else missing):
                return None
            raise

    def _find_object(self, bucket: str, key: str, missing: str | tuple[str, ...], call: Any) -> Any:
        """As `_find`, of an object.

        S3 says "access denied" of an object that is not there to who may not list the whole bucket, as a stage's API
        may not. A listing of that key alone tells the two apart.
        """
        try:
            return self._find(missing, call)
        except ServiceError as error:
            if error.code in ("403", "AccessDenied") and not self._may_be_there(bucket, key):
                return None
            raise

    def _may_be_there(self, bucket: str, key: str) -> bool:
        try:
            return key in self.object_keys(bucket, key)
        except ServiceError:  # not even that may be listed
            return True

    def _created(self, taken: str | tuple[str, ...], call: Callable[[], Any]) -> bool:
        """Whether `call` made a thing; False where it is refused with a code that says that another was faster.

        Another command may have made or changed it since we looked.
        """
        try:
            with speaking():
                call()
        except ServiceError as error:
            if error.code in ((taken,) if isinstance(taken, str) else taken):
                return False
            raise
        return True


def _without_profile() -> botocore.session.Session:
    """A session that does not look at AWS_PROFILE: for the embedded AWS it says nothing, and it need not exist."""
    return botocore.session.Session(session_vars={"profile": (None, None, None, None)})


def _config(service: str, endpoint: str | None) -> Config:
    """Bounded everywhere: a call to a server that is away ends in seconds locally, in a minute on AWS."""
    # Links to objects that a KMS key encrypts must be signed by version 4; of S3 botocore would make older ones.
    signed: Any = {"signature_version": "s3v4"} if service == "s3" else {}
    if endpoint is None:
        retries: Any = {"mode": "standard", "total_max_attempts": 6}
        return Config(retries=retries, connect_timeout=5, read_timeout=60, **signed)
    local = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=2,
        read_timeout=30,
        inject_host_prefix=False,
        max_pool_connections=16,
        s3={"addressing_style": "path"},
        **signed,
    )
    # Loopback is never behind the environment's proxy.
    return local.merge(Config(proxies={})) if urlsplit(endpoint).hostname in _LOOPBACK else local


@contextmanager
def speaking() -> Iterator[None]:
    """Turn what botocore raises into ours."""
    try:
        yield
    except ClientError as error:
        raise _refused(error) from error
    except BotoCoreError as error:
        raise _unreachable(error) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _message(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def _refused(error: ClientError) -> ServiceError:
    code = _code(error)
    return ServiceError(f"{error.operation_name} was refused: {code}: {_message(error)}", code=code)


def _unreachable(error: BotoCoreError) -> ServiceError:
    """No answer is `Unreachable`; no credentials, no region, no profile are plain service errors."""
    code = type(error).__name__
    if isinstance(error, HTTPClientError | ConnectionError):
        return Unreachable(f"nothing answers: {error}", code=code)
    return ServiceError(f"{error}{_WHAT_HELPS.get(code, '')}", code=code)


_WHAT_HELPS = {
    "NoRegionError": " Set AWS_REGION, or say --region.",
    "NoCredentialsError": ". Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say --profile.",
}
"""By the name of botocore's error, which says what is missing and not where to give it."""


def _execution(answer: Mapping[str, Any]) -> Execution:
    return Execution(
        arn=answer["executionArn"],
        name=answer["name"],
        state_machine_arn=answer["stateMachineArn"],
        status=Status(answer["status"]),
        started=_seconds(answer["startDate"]),
        stopped=_maybe_seconds(answer.get("stopDate")),
        input=answer.get("input"),
        output=answer.get("output"),
        error=answer.get("error"),
        cause=answer.get("cause"),
        redrive_count=answer.get("redriveCount", 0),
        redriven=_maybe_seconds(answer.get("redriveDate")),
        redrive_status=answer.get("redriveStatus"),
        not_redrivable_because=answer.get("redriveStatusReason"),
    )


def _lineage(item: Mapping[str, Any]) -> tuple[str, Lineage]:
    """A run's id, and what its record says of its chain."""
    runs = tuple(run["S"] for run in item.get("lineage", {}).get("L", ()))
    return item["run_id"]["S"], Lineage(runs, item.get("retried_by", {}).get("S"))


def _execution_summary(line: ExecutionListItemTypeDef) -> ExecutionSummary:
    return ExecutionSummary(
        arn=line["executionArn"],
        name=line["name"],
        status=Status(line["status"]),
        started=_seconds(line["startDate"]),
        stopped=_maybe_seconds(line.get("stopDate")),
        items=line.get("itemCount"),
        redrive_count=line.get("redriveCount", 0),
    )


def _counts(counts: MapRunItemCountsTypeDef | MapRunExecutionCountsTypeDef) -> Counts:
    return Counts(
        total=counts["total"],
        pending=counts["pending"],
        running=counts["running"],
        succeeded=counts["succeeded"],
        failed=counts["failed"],
        timed_out=counts["timedOut"],
        aborted=counts["aborted"],
        pending_redrive=counts.get("pendingRedrive", 0),
    )


def _event(event: Mapping[str, Any]) -> Event:
    details: Json = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    return Event(
        id=event["id"],
        previous=event.get("previousEventId", 0),
        type=event["type"],
        at=_seconds(event["timestamp"]),
        details=details,
    )


def _lines(body: Any) -> Iterator[bytes]:
    with speaking():
        lines: Iterable[bytes] = body.iter_lines(chunk_size=65_536)
        yield from (line for line in lines if line.strip())


def _plain(value: Mapping[str, Any]) -> Json:
    """An attribute of DynamoDB as JSON."""
    ((kind, inner),) = value.items()
    match kind:
        case "M":
            return {name: _plain(member) for name, member in inner.items()}
        case "L":
            return [_plain(member) for member in inner]
        case "N":
            return float(inner) if set(inner) & set(".eE") else int(inner)
        case "NULL":
            return None
    return inner


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _maybe_seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
