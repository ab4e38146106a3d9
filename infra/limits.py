"""What CloudFormation and IAM take of a stack, checked at synth: otherwise a deployment fails after minutes.

500 resources, 200 outputs and 1 MB a template (CloudFormation quotas); 10,240 characters in a role's inline policies,
white space not counted (IAM quotas).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.errors import ConfigurationError, Finding

MOST_RESOURCES = 500
MOST_OUTPUTS = 200
MOST_TEMPLATE_BYTES = 1_000_000
MOST_POLICY_CHARACTERS = 10_240

_REFERENCE_CHARACTERS = {"AWS::Partition": 10, "AWS::Region": 14, "AWS::AccountId": 12}
_OTHER_REFERENCE_CHARACTERS = 100
"""For the name or the ARN of a resource, which only CloudFormation knows."""

_SHARE = "Deploy fewer jobs in this stage: move some to another folder and give that one a stage of its own"


def check_template(template: Mapping[str, Any], jobs: Sequence[str] | Mapping[str, Any]) -> None:
    """ConfigurationError with every limit that the template of these jobs is over."""
    findings = [*_sizes(template, tuple(jobs)), *_policies(template)]
    if findings:
        raise ConfigurationError(findings)


def _sizes(template: Mapping[str, Any], jobs: Sequence[str]) -> Iterator[Finding]:
    resources = template["Resources"]
    if len(resources) > MOST_RESOURCES:
        found = f"{len(jobs)} jobs make {len(resources)} resources, and CloudFormation takes {MOST_RESOURCES}"
        yield Finding("the stack", found, f"{_fitting(resources, jobs)} jobs of this kind fit. {_SHARE}")
    if len(outputs := template.get("Outputs", {})) > MOST_OUTPUTS:
        found = f"it has {len(outputs)} outputs, one a table, and CloudFormation takes {MOST_OUTPUTS}"
        yield Finding("the stack", found, _SHARE)
    size = len(json.dumps(template, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MOST_TEMPLATE_BYTES:
        fit = len(jobs) * MOST_TEMPLATE_BYTES // size
        found = f"the template of {len(jobs)} jobs has {size:,} bytes, and CloudFormation takes {MOST_TEMPLATE_BYTES:,}"
        yield Finding("the stack", found, f"Some {fit} jobs of this kind fit. {_SHARE}")


def _fitting(resources: Mapping[str, Any], jobs: Sequence[str]) -> int:
    """How many jobs fit, if each has as many resources as the largest of these."""
    paths = [resource.get("Metadata", {}).get("aws:cdk:path", "") for resource in resources.values()]
    by_job = Counter(_job_of(path, jobs) for path in paths)
    others = by_job.pop(None, 0)
    return (MOST_RESOURCES - others) // max(by_job.values(), default=1)


def _job_of(path: str, jobs: Sequence[str]) -> str | None:
    """The job whose name is in the id of one of the constructs that a path leads through."""
    named = (job for job in jobs if any(f"-{job}-" in f"-{id_}-" for id_ in path.split("/")))
    return max(named, key=len, default=None)


def _policies(template: Mapping[str, Any]) -> Iterator[Finding]:
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        policies = resource["Properties"].get("Policies", [])
        size = sum(_characters(policy["PolicyDocument"]) for policy in policies)
        if size > MOST_POLICY_CHARACTERS:
            found = f"its inline policies have some {size:,} characters, and IAM takes {MOST_POLICY_CHARACTERS:,}"
            at = resource.get("Metadata", {}).get("aws:cdk:path", name)
            yield Finding(at, found, f"Declare fewer resources with a common prefix instead. {_SHARE}")


def _characters(value: Any) -> int:
    """Characters of a policy as IAM counts them, references filled in."""
    match value:
        case {"Ref": str(name)}:
            return _REFERENCE_CHARACTERS.get(name, _OTHER_REFERENCE_CHARACTERS)
        case {"Fn::GetAtt": _} | {"Fn::Sub": _} | {"Fn::Select": _}:
            return _OTHER_REFERENCE_CHARACTERS
        case {"Fn::Join": [_, list(parts)]}:
            return sum(_characters(part) for part in parts)
        case Mapping():
            return 2 + sum(len(name) + 4 + _characters(member) for name, member in value.items())
        case list():
            return 2 + sum(1 + _characters(member) for member in value)
    return len(str(value)) + 2
