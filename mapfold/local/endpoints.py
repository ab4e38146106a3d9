"""Who serves what: moto everything, ourselves Step Functions and Lambda, unless the user's environment says otherwise.

`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_DYNAMODB` and the like may put another stand-in, or AWS itself, in moto's place.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

_PREFIX = "AWS_ENDPOINT_URL_"
_OURS = frozenset({f"{_PREFIX}SFN", f"{_PREFIX}LAMBDA"})
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
TASK_READ_SECONDS: Mapping[str, int] = {"stepfunctions": 310, "lambda": 910}
"""How long these may take to answer a Task: a synchronous EXPRESS execution five minutes, a function a quarter of an hour."""

OTHER_READ_SECONDS = 70
"""How long any other service may."""

_WITHOUT_PROFILE: dict[str, tuple[Any, Any, Any, Any]] = {"profile": (None, None, None, None)}
"""botocore's sessions for loopback: a profile in the environment is for the real AWS, and need not exist."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def region_of(environment: Mapping[str, str]) -> str:
    """AWS_REGION, AWS_DEFAULT_REGION, or us-east-1."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of one embedded AWS. `foreign` holds the user's own `AWS_ENDPOINT_URL_<SERVICE>` settings."""

    service: str
    aws: str
    region: str
    foreign: Mapping[str, str]
    credentials: Mapping[str, str]

    @classmethod
    def of(cls, *, service: str, aws: str, environment: Mapping[str, str]) -> Endpoints:
        """Endpoints for the two ports, with what the environment says of other services."""
        foreign = {
            name: url
            for name, url in environment.items()
            if name.startswith(_PREFIX) and name not in _OURS and url and not _is_same(url, aws)
        }
        credentials = {name: environment[name] for name in _CREDENTIALS if foreign and environment.get(name)}
        return cls(service, aws, region_of(environment), foreign, credentials)

    def worker_environment(self) -> dict[str, str]:
        """What a Lambda function's process needs to reach all of it."""
        return {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ENDPOINT_URL_SFN": self.service,
            "AWS_ENDPOINT_URL_LAMBDA": self.service,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # StartSyncExecution would go to http://sync-127.0.0.1
            **self.foreign,
            **self.credentials,
        }

    def is_ours(self, service: str) -> bool:
        """Whether moto serves `service` (S3, DYNAMODB): on loopback, with any credentials."""
        return f"{_PREFIX}{service}" not in self.foreign

    def s3(self, *, attempts: int = 5) -> S3Client:
        """A client of whatever serves S3. Takes some 100 ms: call it in a thread."""
        client: S3Client = self._client("s3", attempts)
        return client

    def dynamodb(self) -> DynamoDBClient:
        """A client of whatever serves DynamoDB."""
        client: DynamoDBClient = self._client("dynamodb")
        return client

    def sqs(self) -> SQSClient:
        """A client of whatever serves SQS. It tries once: who polls tries again by itself."""
        client: SQSClient = self._client("sqs", 1)
        return client

    def task_client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """botocore's client of whatever serves `service`, for the calls of Tasks. Takes some 100 ms: call it in a thread.

        It tries once, as a Task's Retry says what is tried again, and leaves it to the service what parameters it takes.
        `credentials` (AccessKeyId, SecretAccessKey, SessionToken) are those of a role that a Task has assumed.
        """
        from botocore.config import Config
        from botocore.session import Session

        bare: Any = Session(session_vars=_WITHOUT_PROFILE)
        url = self._url_of(bare, service)
        keys: dict[str, str] = {}
        if credentials is not None:
            keys = {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            }
        common: dict[str, Any] = {
            "max_pool_connections": 32,
            "connect_timeout": 5,
            "read_timeout": TASK_READ_SECONDS.get(service, OTHER_READ_SECONDS),
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "parameter_validation": False,
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        if url not in (self.aws, self.service):
            theirs: Any = Session()
            client = theirs.create_client(
                service, region_name=self.region, endpoint_url=url, config=Config(**common), **keys
            )
            return _as_asked(client, service)
        config = Config(**common, proxies={}, s3={"addressing_style": "path"}, inject_host_prefix=False)
        keys = keys or {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        client = bare.create_client(service, region_name=self.region, endpoint_url=url, config=config, **keys)
        return _as_asked(client, service)

    def task_credentials(self) -> Any:
        """botocore's credentials for requests of Tasks that are signed without a client."""
        from botocore.credentials import Credentials
        from botocore.session import Session

        theirs: Any = Session()
        found = theirs.get_credentials() if self.foreign else None
        return found or Credentials("local", "local")

    def _url_of(self, session: Any, service: str) -> str:
        """Where `service` is, by botocore's name: ourselves, what the environment says, or moto."""
        if service in ("stepfunctions", "lambda"):
            return self.service
        model = session.get_service_model(service)
        name = str(model.service_id).replace(" ", "_").replace("-", "_").upper()
        return self.foreign.get(f"{_PREFIX}{name}", self.aws)

    def logs(self) -> Any:
        """A client of whatever serves CloudWatch Logs. It tries once, not for long: nobody should wait for a log line."""
        return self._client("logs", 1, setting="CLOUDWATCH_LOGS", read_seconds=5)

    def _client(self, service: str, attempts: int = 5, *, setting: str = "", read_seconds: int = 60) -> Any:
        """`setting`: what the service is called in `AWS_ENDPOINT_URL_…`, if not by its name."""
        import boto3
        from botocore.config import Config
        from botocore.session import Session

        session: Any = boto3.session.Session  # its stubs want each service's name written out
        common: dict[str, Any] = {
            "max_pool_connections": 32,
            "connect_timeout": 5,
            "read_timeout": read_seconds,
            "retries": {"mode": "standard", "total_max_attempts": attempts},
        }
        setting = setting or service.upper()
        if not self.is_ours(setting):
            url = self.foreign[f"{_PREFIX}{setting}"]
            return session(region_name=self.region).client(service, endpoint_url=url, config=Config(**common))
        # Loopback is never behind the environment's proxy, and has no names for buckets.
        config = Config(**common, proxies={}, s3={"addressing_style": "path"})
        bare = Session(session_vars=_WITHOUT_PROFILE)
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        ours = session(botocore_session=bare, region_name=self.region, **keys)
        return ours.client(service, endpoint_url=self.aws, config=config)


class SharedClient:
    """Makes a client at the first call and gives the same one from then on; boto3's clients may be shared by threads."""

    def __init__(self, endpoints: Endpoints, *, attempts: int = 5) -> None:
        self._endpoints, self._attempts = endpoints, attempts
        self._lock = threading.Lock()
        self._s3: S3Client | None = None
        self._sqs: SQSClient | None = None
        self._logs: Any = None

    def s3(self) -> S3Client:
        """The one S3 client. Call it in a thread."""
        with self._lock:
            if self._s3 is None:
                self._s3 = self._endpoints.s3(attempts=self._attempts)
            return self._s3

    def logs(self) -> Any:
        """The one client of CloudWatch Logs. Call it in a thread."""
        with self._lock:
            if self._logs is None:
                self._logs = self._endpoints.logs()
            return self._logs

    def sqs(self) -> SQSClient:
        """The one SQS client. Call it in a thread."""
        with self._lock:
            if self._sqs is None:
                self._sqs = self._endpoints.sqs()
            return self._sqs


def _as_asked(client: Any, service: str) -> Any:
    """`client`, without what botocore adds to requests of its own accord, and which their answers would show."""
    if service == "s3":
        from botocore.handlers import set_list_objects_encoding_type_url

        for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
            client.meta.events.unregister(f"before-parameter-build.s3.{operation}", set_list_objects_encoding_type_url)
    return client


def _is_same(url: str, other: str) -> bool:
    left, right = urlsplit(url), urlsplit(other)
    return left.port == right.port and left.hostname in _LOOPBACK and right.hostname in _LOOPBACK
