"""Where a client speaks to: the embedded AWS (endpoint URLs), or the real one (a profile and a region).

`stack_target` (stack.py) adds what a deployed stack says about its jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mapfold.client.arns import MACHINE_PREFIX, job_of, machine_arn
from mapfold.errors import UsageError

LOCAL_ACCOUNT = "123456789012"
"""The account of the embedded AWS: moto's default."""

DEFAULT_REGION = "us-east-1"
RUNS_BUCKET = "mapfold-runs"
DATA_BUCKET = "mapfold-data"
RUNS_TABLE = "mapfold-runs"

_ENDPOINT_VARIABLES = {
    "stepfunctions": "AWS_ENDPOINT_URL_SFN",
    "lambda": "AWS_ENDPOINT_URL_LAMBDA",
    "s3": "AWS_ENDPOINT_URL_S3",
    "dynamodb": "AWS_ENDPOINT_URL_DYNAMODB",
    "sts": "AWS_ENDPOINT_URL_STS",
    "sqs": "AWS_ENDPOINT_URL_SQS",
    "events": "AWS_ENDPOINT_URL_EVENTBRIDGE",
}
_LAMBDA_VARIABLES = ("MAPFOLD_MACHINE_PREFIX", "MAPFOLD_RUNS_BUCKET", "MAPFOLD_RUNS_TABLE", "MAPFOLD_DATA_BUCKET")
_OURS = frozenset({"stepfunctions", "lambda"})


@dataclass(frozen=True, slots=True)
class Target:
    """One place that answers AWS's protocols.

    Make it with `local_target`, `environment_target`, `aws_target`, `stack_target` or, in a Lambda function,
    `lambda_target`.

    endpoints: URL by boto3 service name; empty for the real AWS. account: None where it has to be asked for.
    runs_bucket, runs_table: where runs keep their results and their records; data_bucket: where manifests are put.
    machine_prefix: what the names of the jobs' state machines begin with. jobs: those that are deployed, where that is
    known; None where it is not: then state machines are listed, and told by their prefix. partition: of ARNs. stack: the
    CloudFormation stack that has deployed the jobs.
    dummy_credentials: the embedded AWS takes any, so none are looked for.
    """

    region: str | None = None
    profile: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    runs_bucket: str = RUNS_BUCKET
    runs_table: str = RUNS_TABLE
    data_bucket: str = DATA_BUCKET
    machine_prefix: str = MACHINE_PREFIX
    jobs: tuple[str, ...] | None = None
    partition: str = "aws"
    stack: str | None = None
    dummy_credentials: bool = False

    @property
    def is_local(self) -> bool:
        """Whether this is the embedded AWS: polled faster, deployed to without asking, with any credentials."""
        return bool(self.endpoints)

    def machine_arn(self, job: str, *, region: str, account: str) -> str:
        """The ARN of a job's state machine here, whether there is one or not."""
        return machine_arn(job, region=region, account=account, prefix=self.machine_prefix, partition=self.partition)

    def job_of(self, machine: str) -> str:
        """The job whose state machine has this name or ARN here."""
        return job_of(machine, prefix=self.machine_prefix)


def local_target(
    *, service_url: str, aws_url: str, environment: Mapping[str, str], region: str | None = None
) -> Target:
    """The embedded AWS with its two ports, in the region that it says it is in, or else the environment's.

    `service_url` answers Step Functions and Lambda, `aws_url` the rest. A standard AWS_ENDPOINT_URL_S3 (…_DYNAMODB,
    …) in the environment puts another stand-in in that service's place.
    """
    endpoints = {
        service: service_url if service in _OURS else environment.get(variable) or aws_url
        for service, variable in _ENDPOINT_VARIABLES.items()
    }
    return Target(
        region=region or _region(environment),
        endpoints=endpoints,
        account=LOCAL_ACCOUNT,
        runs_bucket=_runs_bucket(environment),
        dummy_credentials=not environment.get("AWS_ACCESS_KEY_ID")
        and set(endpoints.values()) <= {service_url, aws_url},
    )


def elsewhere(environment: Mapping[str, str]) -> tuple[str, ...]:
    """`AWS_ENDPOINT_URL_S3=http://…`, …: what of the environment puts others in the place of parts of the embedded AWS."""
    return tuple(
        f"{variable}={environment[variable]}"
        for service, variable in _ENDPOINT_VARIABLES.items()
        if service not in _OURS and environment.get(variable)
    )


def environment_target(environment: Mapping[str, str]) -> Target | None:
    """The stand-in that the user chose with AWS_ENDPOINT_URL_SFN, or None where that is not set.

    Lambda is looked for at AWS_ENDPOINT_URL_LAMBDA or beside Step Functions; the other services at their own
    variable or AWS_ENDPOINT_URL.
    """
    service_url = environment.get("AWS_ENDPOINT_URL_SFN")
    if not service_url:
        return None
    lambda_url = environment.get("AWS_ENDPOINT_URL_LAMBDA") or service_url
    target = local_target(
        service_url=service_url, aws_url=environment.get("AWS_ENDPOINT_URL") or service_url, environment=environment
    )
    return replace(target, endpoints={**target.endpoints, "lambda": lambda_url})


def aws_target(*, profile: str | None, region: str | None, environment: Mapping[str, str]) -> Target:
    """The real AWS, with what the profile or the environment says about credentials and region."""
    # boto3 reads AWS_DEFAULT_REGION by itself, and not AWS_REGION, which every other SDK and the AWS CLI know.
    return Target(
        profile=profile, region=region or environment.get("AWS_REGION"), runs_bucket=_runs_bucket(environment)
    )


def lambda_target(environment: Mapping[str, str], function_arn: str) -> Target:
    """Where code speaks to that runs in a Lambda function of a stage: what its environment says.

    Region and account are those of the function itself. With AWS_ENDPOINT_URL_SFN, as in the embedded AWS's Lambda, it
    is the embedded AWS. UsageError names every variable that is missing.
    """
    if missing := [name for name in _LAMBDA_VARIABLES if not environment.get(name)]:
        raise UsageError(f"the function's environment has no {', '.join(missing)}. Deploy it again.")
    _, partition, _, region, account, *_ = function_arn.split(":")
    jobs = environment.get("MAPFOLD_DEPLOYED_JOBS")
    return replace(
        environment_target(environment) or Target(),
        region=region,
        account=account,
        partition=partition,
        machine_prefix=environment["MAPFOLD_MACHINE_PREFIX"],
        jobs=None if jobs is None else tuple(job for job in jobs.split(",") if job),
        runs_bucket=environment["MAPFOLD_RUNS_BUCKET"],
        runs_table=environment["MAPFOLD_RUNS_TABLE"],
        data_bucket=environment["MAPFOLD_DATA_BUCKET"],
    )


def _region(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def _runs_bucket(environment: Mapping[str, str]) -> str:
    return environment.get("MAPFOLD_RUNS_BUCKET") or RUNS_BUCKET
