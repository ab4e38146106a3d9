"""What a deployment takes of the account's concurrent executions, looked at before CloudFormation does.

Lambda keeps 100 executions for functions that reserve none (Lambda quotas). A template that would leave fewer is refused by
CloudFormation after minutes, in the middle of a deployment; here it is refused at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.account import Account
from infra.errors import ToolError
from infra.synthesis import Synthesized
from mapfold.runs.plan import DEFAULT_CONCURRENCY

LEAST_UNRESERVED = 100

_QUOTA = "ask AWS for more concurrent executions (Service Quotas, AWS Lambda)"


def check_concurrency(session: boto3.Session, account: Account, made: Synthesized) -> Iterator[str]:
    """What the person should know of it, line by line. ToolError where the account has not as much as is reserved."""
    client = session.client("lambda", region_name=account.region)
    try:
        limit = client.get_account_settings()["AccountLimit"]
        reserved = _reserved(made.template)
        held = _held_by_stack(session, account, made.stage.stack_name) if reserved else 0
    except (BotoCoreError, ClientError) as error:
        yield f"the account's concurrent executions were not looked at: {_said(error)}"
        return
    free = limit["UnreservedConcurrentExecutions"] + held
    if reserved and free - sum(reserved.values()) < LEAST_UNRESERVED:
        raise ToolError(_too_many(reserved, free, account, made.stage.name))
    most = limit["ConcurrentExecutions"]
    if wide := [name for name in made.jobs if _at_once(made, name) > most]:
        yield (
            f"account {account.number} may run {most:,} functions at once in {account.region}, and each run of "
            f"{', '.join(wide)} starts more batches than that, up to {DEFAULT_CONCURRENCY:,}: some will be throttled and "
            f"tried again. Write concurrency = {max(1, most - LEAST_UNRESERVED)} under [{made.stage.name}.jobs.JOB] in "
            f"infra/stages.toml, or {_QUOTA}."
        )


def _reserved(template: Mapping[str, Any]) -> dict[str, int]:
    """What the template reserves, by job."""
    reserved: dict[str, int] = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function" and "ReservedConcurrentExecutions" in resource["Properties"]:
            properties = resource["Properties"]
            job = properties["Environment"]["Variables"]["MAPFOLD_JOB"]
            reserved[job] = reserved.get(job, 0) + properties["ReservedConcurrentExecutions"]
    return reserved


def _held_by_stack(session: boto3.Session, account: Account, stack: str) -> int:
    """What the stack reserves already: it is no longer free, and is the stack's own to use."""
    lambda_ = session.client("lambda", region_name=account.region)
    cloudformation = session.client("cloudformation", region_name=account.region)
    held = 0
    try:
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
            for each in page["StackResourceSummaries"]:
                if each["ResourceType"] == "AWS::Lambda::Function" and each["ResourceStatus"] != "DELETE_COMPLETE":
                    found = lambda_.get_function_concurrency(FunctionName=each["PhysicalResourceId"])
                    held += found.get("ReservedConcurrentExecutions", 0)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ValidationError":  # there is no such stack yet
            raise
    return held


def _at_once(made: Synthesized, name: str) -> int:
    """The most batches at once of a run of the job."""
    job, overrides = made.jobs[name], made.stage.of_job(name)
    bounds = (
        job.concurrency or DEFAULT_CONCURRENCY,
        overrides.concurrency,
        overrides.reserved_concurrency,
        job.most_at_once,
    )
    return min(bound for bound in bounds if bound is not None)


def _too_many(reserved: Mapping[str, int], free: int, account: Account, stage: str) -> str:
    jobs = ", ".join(f"{job} {number:,}" for job, number in sorted(reserved.items()))
    total = sum(reserved.values())
    return (
        f"the jobs of the stage reserve {total:,} concurrent executions ({jobs}). In account {account.number}, "
        f"{account.region}, {max(0, free):,} are not reserved by other functions, and Lambda keeps {LEAST_UNRESERVED} of them "
        f"for functions that reserve none: {max(0, free - LEAST_UNRESERVED):,} can be reserved. Lower reserved_concurrency or "
        f"the connections of a job's network, or write reserved_concurrency under [{stage}.jobs.JOB] in "
        f"infra/stages.toml, or {_QUOTA}."
    )


def _said(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
