"""IAM policies of a stage's roles, made of the statements of `workflows.permissions`. Nothing else is granted.

A statement says why it is there, also to cdk-nag, which asks about every wildcard: `answer_for` gives it the reason,
one finding of one role at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam

from workflows.permissions import Statement, policy_document, resolve


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """What one role may do. `values` stand for the placeholders of its statements; they may be tokens.

    `own` are the values that only the role's owner has, such as the name of its log group.
    """

    statements: Sequence[Statement]
    values: Mapping[str, str]

    def document(self, own: Mapping[str, str]) -> iam.PolicyDocument:
        """The inline policy of the role."""
        return iam.PolicyDocument.from_json(policy_document(self._resolved(own)))

    def answer_for(self, role: iam.Role, own: Mapping[str, str]) -> None:
        """Tell cdk-nag the reason of every wildcard of the role."""
        reasons: dict[str, list[str]] = {}
        for statement in self._resolved(own):
            for finding in _wildcards(Stack.of(role), statement):
                reasons.setdefault(finding, []).append(statement.because)
        for finding, said in reasons.items():
            Validations.of(role).acknowledge(
                Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[{finding}]", reason=" ".join(dict.fromkeys(said)))
            )

    def _resolved(self, own: Mapping[str, str]) -> list[Statement]:
        return [resolve(statement, {**self.values, **own}) for statement in self.statements]


def policy_of(statements: Sequence[Statement], values: Mapping[str, str]) -> RolePolicy:
    """The policy of these statements, with `values` for their placeholders."""
    return RolePolicy(tuple(statements), values)


def _wildcards(stack: Stack, statement: Statement) -> Iterator[str]:
    """What cdk-nag calls the wildcards of a statement: `Resource::arn:<AWS::Partition>:s3:::<Bucket>/*`."""
    for action in statement.actions:
        if "*" in action:
            yield f"Action::{action}"
    for resource in statement.resources:
        named = _as_nag_names(stack.resolve(resource))
        if "*" in named:
            yield f"Resource::{named}"


def _as_nag_names(value: Any) -> str:
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(map(_as_nag_names, parts))
    raise ValueError(f"an ARN of a policy is {value!r}: text, Ref, Fn::GetAtt and Fn::Join can be told to cdk-nag")
