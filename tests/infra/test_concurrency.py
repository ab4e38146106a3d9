"""Before a deployment: whether the account has as many concurrent executions as the stage's jobs reserve and use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.account import Account
from infra.concurrency import check_concurrency
from infra.config import Stage
from infra.errors import ToolError
from infra.synthesis import Synthesized
from mapfold import Job, Manifest
from mapfold.job import LoadedJobs

ACCOUNT = Account("123456789012", "eu-west-1")


class Aws:
    """Lambda and CloudFormation of an account. held: what functions of the stack reserve; None: there is no stack."""

    def __init__(self, *, most: int, unreserved: int, held: dict[str, int] | None = None, refusal: str = "") -> None:
        self._limit = {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": unreserved}
        self._held, self._refusal = held, refusal

    def client(self, *_: Any, **__: Any) -> Aws:
        return self

    def get_account_settings(self) -> dict[str, Any]:
        if self._refusal:
            raise refused(self._refusal, "GetAccountSettings")
        return {"AccountLimit": self._limit}

    def get_paginator(self, _: str) -> Aws:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        if self._held is None:
            raise refused("ValidationError", "ListStackResources")
        type_ = {"ResourceType": "AWS::Lambda::Function", "ResourceStatus": "UPDATE_COMPLETE"}
        return [{"StackResourceSummaries": [{**type_, "PhysicalResourceId": name} for name in self._held]}]

    def get_function_concurrency(self, *, FunctionName: str) -> dict[str, int]:
        return {"ReservedConcurrentExecutions": (self._held or {})[FunctionName]}


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def made(
    stage: dict[str, Any] | None = None, *, reserved: dict[str, int] | None = None, **declared: Any
) -> Synthesized:
    """A stage with the job words, of which a template reserves something."""
    functions = {
        name: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Environment": {"Variables": {"MAPFOLD_JOB": name}},
                "ReservedConcurrentExecutions": number,
            },
        }
        for name, number in (reserved or {}).items()
    }
    jobs = LoadedJobs()
    jobs["words"] = Job("words", source=Manifest(), **declared)
    return Synthesized(Stage(name="dev", **(stage or {})), jobs, Path("out"), {"Resources": functions}, False)


def said(aws: Aws, synthesized: Synthesized) -> list[str]:
    return list(check_concurrency(cast(boto3.Session, aws), ACCOUNT, synthesized))


def test_what_leaves_less_than_lambda_keeps_is_refused_with_the_numbers() -> None:
    """Before CDK runs: 1,000 less 950 are 50, and Lambda keeps 100."""
    aws = Aws(most=1000, unreserved=1000)

    with pytest.raises(ToolError) as raised:
        said(aws, made(reserved={"words": 900, "orders": 50}))

    assert str(raised.value) == (
        "the jobs of the stage reserve 950 concurrent executions (orders 50, words 900). In account 123456789012, "
        "eu-west-1, 1,000 are not reserved by other functions, and Lambda keeps 100 of them for functions that reserve "
        "none: 900 can be reserved. Lower reserved_concurrency or the connections of a job's network, or write "
        "reserved_concurrency under [dev.jobs.JOB] in infra/stages.toml, or ask AWS for more concurrent executions "
        "(Service Quotas, AWS Lambda)."
    )


def test_what_leaves_exactly_as_much_is_well() -> None:
    """900 of 1,000."""
    assert said(Aws(most=1000, unreserved=1000), made(reserved={"words": 900})) == []


def test_what_the_stack_reserves_already_is_its_own() -> None:
    """The second deployment of the same takes nothing more."""
    held = {"mapfold-dev-work": 800}

    assert said(Aws(most=1000, unreserved=200, held=held), made(reserved={"words": 800})) == []


def test_a_small_account_is_told_what_to_write() -> None:
    """A new account may run ten functions at once, and a run would start 1,000 batches."""
    (line,) = said(Aws(most=400, unreserved=400), made())

    assert "may run 400 functions at once in eu-west-1, and each run of words starts more batches" in line
    assert "Write concurrency = 300 under [dev.jobs.JOB]" in line


@pytest.mark.parametrize(
    "synthesized",
    [
        made({"jobs": {"words": {"concurrency": 20}}}),
        made({"jobs": {"words": {"reserved_concurrency": 20}}}),
        made(concurrency=20),
        made(reserved_concurrency=20),
    ],
)
def test_a_job_that_is_bounded_is_not_spoken_of(synthesized: Synthesized) -> None:
    """By the stage or by itself."""
    assert said(Aws(most=400, unreserved=400), synthesized) == []


def test_who_may_not_ask_may_deploy_and_is_told() -> None:
    """CloudFormation says in the end what it lacks."""
    (line,) = said(Aws(most=1, unreserved=1, refusal="AccessDeniedException"), made(reserved={"words": 900}))

    assert line.startswith("the account's concurrent executions were not looked at: ")
