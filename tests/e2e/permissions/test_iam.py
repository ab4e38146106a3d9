"""The evaluator that the replay relies on says what IAM would."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.permissions.iam import Request, is_allowed

LIST = {
    "Effect": "Allow",
    "Action": "s3:ListBucket",
    "Resource": "arn:aws:s3:::runs",
    "Condition": {"StringLike": {"s3:prefix": ["runs/*/map/"]}},
}
READ = {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": ["arn:aws:s3:::runs/*/map/*", "arn:aws:s3:::d?ta/x"]}
DENY = {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::runs/secret/*"}


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (Request("s3:GetObject", "arn:aws:s3:::runs/run/1/map/a/b"), True),
        (Request("S3:getobject", "arn:aws:s3:::data/x"), True),
        (Request("s3:GetObject", "arn:aws:s3:::DATA/x"), False),
        (Request("s3:GetObject", "arn:aws:s3:::daata/x"), False),
        (Request("s3:PutObject", "arn:aws:s3:::data/x"), False),
        (Request("s3:GetObject", "arn:aws:s3:::runs/secret/map/x"), False),
        (Request("s3:ListBucket", "arn:aws:s3:::runs", (("s3:prefix", "runs/run-1/map/"),)), True),
        (Request("s3:ListBucket", "arn:aws:s3:::runs", (("s3:prefix", "runs/run-1/"),)), False),
        (Request("s3:ListBucket", "arn:aws:s3:::runs"), False),
    ],
)
def test_a_request_is_allowed_by_a_statement_that_matches_and_no_deny(request_: Request, allowed: bool) -> None:
    """A `*` crosses slashes; actions have no case, resources do; a condition on a key that is missing does not hold."""
    assert is_allowed([LIST, READ, DENY], request_) is allowed


def test_an_operator_that_the_evaluator_does_not_know_is_an_error() -> None:
    """It would be wrong to guess."""
    statement: dict[str, Any] = {**LIST, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}

    with pytest.raises(KeyError):
        is_allowed([statement], Request("s3:ListBucket", "arn:aws:s3:::runs"))
