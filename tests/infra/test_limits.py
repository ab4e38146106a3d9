"""Limits of CloudFormation and IAM: said at synth, in jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.errors import ConfigurationError
from infra.limits import MOST_POLICY_CHARACTERS, check_template
from tests.infra.deployed import Deployed
from workflows.permissions import policy_document, shared_permissions


def stack_of(jobs: int, *, resources_each: int = 25, shared: int = 50) -> dict[str, Any]:
    """A template of jobs named job-0, job-1, …"""
    paths = [f"mapfold-dev/Shared/{number}" for number in range(shared)]
    paths += [f"mapfold-dev/Job-job-{job}/{number}" for job in range(jobs) for number in range(resources_each)]
    return {
        "Resources": {
            f"R{number}": {"Type": "AWS::Logs::LogGroup", "Properties": {}, "Metadata": {"aws:cdk:path": path}}
            for number, path in enumerate(paths)
        }
    }


def names(jobs: int) -> list[str]:
    return [f"job-{number}" for number in range(jobs)]


def test_a_stack_within_the_limits_is_well() -> None:
    """Also one with exactly 500 resources."""
    check_template(stack_of(18), names(18))


def test_too_many_resources_are_said_with_the_number_of_jobs_that_fit() -> None:
    """(500 - 50 shared) / 25 each are 18."""
    with pytest.raises(ConfigurationError) as raised:
        check_template(stack_of(30), names(30))

    assert str(raised.value) == (
        "the stack: 30 jobs make 800 resources, and CloudFormation takes 500. 18 jobs of this kind fit. Deploy fewer jobs "
        "in this stage: move some to another folder and give that one a stage of its own."
    )


def test_too_many_tables_are_said() -> None:
    """Each table is an output, of which CloudFormation takes 200."""
    template = {**stack_of(1), "Outputs": {f"Table{number}": {} for number in range(201)}}

    with pytest.raises(ConfigurationError, match="it has 201 outputs, one a table, and CloudFormation takes 200"):
        check_template(template, names(1))


def test_too_long_a_template_is_said() -> None:
    """Definitions are in it, and CloudFormation takes one megabyte."""
    template = stack_of(10)
    template["Resources"]["R0"]["Properties"]["Text"] = "x" * 2_000_000

    with pytest.raises(ConfigurationError, match=r"of 10 jobs has 2,0.. ?.*Some 4 jobs of this kind fit"):
        check_template(template, names(10))


def test_too_long_a_policy_is_said_with_its_role() -> None:
    """IAM counts references as what they stand for: here some 100 characters each, and 10,240 may a role have."""
    statement = {"Sid": "S", "Action": "s3:GetObject", "Resource": [{"Fn::Join": ["", [{"Ref": "B"}, "/*"]]}] * 120}
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"Policies": [{"PolicyDocument": {"Statement": [statement]}}]},
        "Metadata": {"aws:cdk:path": "mapfold-dev/Job-job-0/Work/Role/Resource"},
    }

    with pytest.raises(ConfigurationError, match=r"mapfold-dev/Job-job-0/Work/Role/Resource: its inline policies have"):
        check_template({"Resources": {"Role": role}}, names(1))


@pytest.mark.parametrize("role", ["api", "start", "watch"])
def test_shared_roles_are_as_long_for_a_stage_of_many_jobs_as_for_one(stage: Deployed, role: str) -> None:
    """So no stage that CloudFormation takes has a shared role that IAM refuses: they name no job."""
    document = policy_document(shared_permissions(with_key=True)[role])

    assert len(json.dumps(document, separators=(",", ":"))) < MOST_POLICY_CHARACTERS // 2
    assert [name for name in stage.jobs if name in json.dumps(document)] == []


def test_the_stage_of_the_tests_is_within_them(stage: Deployed) -> None:
    """What synth checked for it passes here, too."""
    check_template(stage.template, stage.jobs)
