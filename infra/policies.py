"""IAM policies, made of the statements of `workflows.permissions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aws_cdk import aws_iam as iam

PolicyOf = Callable[[Mapping[str, str]], iam.PolicyDocument]
"""A role's policy, once the values are known that only the role's owner has, such as the name of its log group."""
