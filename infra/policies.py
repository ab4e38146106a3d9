"""IAM policies of a stage's roles, made of the statements of `workflows.permissions`. Nothing else is granted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import aws_iam as iam

from workflows.permissions import Statement, policy_document, resolve

PolicyOf = Callable[[Mapping[str, str]], iam.PolicyDocument]
"""A role's policy, from the values that only its owner knows, such as the name of its log group."""


def policy_of(statements: Sequence[Statement], values: Mapping[str, str]) -> PolicyOf:
    """The policy of these statements, with `values` for their placeholders; they may be tokens."""

    def with_own(own: Mapping[str, str]) -> iam.PolicyDocument:
        resolved = [resolve(statement, {**values, **own}) for statement in statements]
        return iam.PolicyDocument.from_json(policy_document(resolved))

    return with_own
