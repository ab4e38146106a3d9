"""The roles of a stage: exactly what `workflows.permissions` says, and not one right more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra.deployed import Deployed, Resource
from workflows.permissions import Statement, job_permissions

HANDLERS = ("plan", "work", "isolate", "fold", "finish", "close")
JOBS = ("flight-delays", "orders", "poison", "poison-early", "sums", "words")


def as_text(value: Any) -> str:
    """A resource of a policy as one text, with logical ids for names."""
    match value:
        case {"Fn::Join": [_, list(parts)]}:
            return "".join(map(as_text, parts))
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"<{name}>"
    return str(value)


def as_set(value: Any) -> set[str]:
    return {as_text(each) for each in (value if isinstance(value, list) else [value])}


def shape(text: str) -> str:
    """A resource with every placeholder or reference as one mark."""
    return re.sub(r"\$\{[^}]+\}|<[^>]+>", "~", text).replace("mapfold-dev-", "~")


def granted(statement: Resource) -> tuple[str, set[str], set[str]]:
    """Sid, actions, and resources of a statement in the template."""
    return statement["Sid"], as_set(statement["Action"]), {shape(each) for each in as_set(statement["Resource"])}


def derived(statement: Statement) -> tuple[str, set[str], set[str]]:
    """The same of a statement that permissions derives."""
    resources = {
        shape(re.sub(r"\$\{Secret\.([^}]+)\}", r"arn:~:secretsmanager:~:~:secret:\1-??????", each))
        for each in statement.resources
    }
    return statement.sid, set(statement.actions), resources


@pytest.mark.parametrize("job", JOBS)
def test_a_jobs_roles_have_the_derived_statements_and_no_others(stage: Deployed, job: str) -> None:
    """Function by function, and the state machine: same sids, same actions, same resources."""
    permissions = job_permissions(stage.jobs[job])
    deployed = {handler: stage.function(job, handler) for handler in HANDLERS} | {"state-machine": stage.machine(job)}

    for role, resource in deployed.items():
        assert [granted(each) for each in stage.statements(resource)] == [derived(each) for each in permissions[role]]


def test_every_role_has_one_inline_policy_and_nothing_that_aws_manages(stage: Deployed) -> None:
    """A managed policy changes without anybody here deciding it. CDK adds no policy of its own either.

    One role is not ours: API Gateway's, to log with, which is the whole account's.
    """
    by_service = {
        name: role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for name, role in stage.resources("AWS::IAM::Role").items()
    }
    ours = {name for name, service in by_service.items() if service in ("lambda.amazonaws.com", "states.amazonaws.com")}

    assert [service for name, service in by_service.items() if name not in ours] == ["apigateway.amazonaws.com"]
    for name in ours:
        role = stage.named("AWS::IAM::Role", name)
        assert "ManagedPolicyArns" not in role
        assert len(role["Policies"]) == 1
    stage.assertions.resource_count_is("AWS::IAM::Policy", 0)
    stage.assertions.resource_count_is("AWS::IAM::ManagedPolicy", 0)


def test_any_resource_is_allowed_only_where_a_statement_says_why(stage: Deployed) -> None:
    """`Resource: *` is in statements of permissions alone, each of which tells its reason."""
    reasons = {
        each.sid: each.because
        for job in stage.jobs.values()
        for statements in job_permissions(job).values()
        for each in statements
        if "*" in each.resources
    }
    wide = {
        statement.get("Sid", "")
        for resource in (*stage.functions(), *map(stage.machine, stage.jobs))
        for statement in stage.statements(resource)
        if "*" in as_set(statement["Resource"])
    }

    assert wide == {"SendTraces", "DeliverLogs", "LookAtNetwork"}
    assert wide <= reasons.keys()
    assert all(reason.strip() for reason in reasons.values())


def test_no_two_functions_share_a_role(stage: Deployed) -> None:
    """What one may do, another may not."""
    roles = [function["Role"]["Fn::GetAtt"][0] for function in stage.functions()]
    roles += [stage.machine(job)["RoleArn"]["Fn::GetAtt"][0] for job in JOBS]

    assert len(set(roles)) == len(roles)


def test_a_role_is_taken_by_its_service_alone(stage: Deployed) -> None:
    """Lambda for functions; Step Functions for machines, and only on behalf of this account."""
    assumed: dict[str, Mapping[str, Any]] = {}
    for job in JOBS:
        role = stage.named("AWS::IAM::Role", stage.machine(job)["RoleArn"]["Fn::GetAtt"][0])
        (assumed[job],) = role["AssumeRolePolicyDocument"]["Statement"]

    for statement in assumed.values():
        assert statement["Principal"] == {"Service": "states.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    for function in stage.functions():
        role = stage.named("AWS::IAM::Role", function["Role"]["Fn::GetAtt"][0])
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
