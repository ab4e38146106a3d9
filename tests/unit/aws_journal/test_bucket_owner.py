"""ExpectedBucketOwner, which moto does not look at (rules: `mapfold/local/aws_journal/bucket_owner.py`)."""

from __future__ import annotations

import pytest

from mapfold.local.aws_journal.bucket_owner import owner_refusal
from tests.unit.aws_journal.builders import s3

EXPECTED = "HTTP_X_AMZ_EXPECTED_BUCKET_OWNER"


@pytest.mark.parametrize("headers", [{}, {EXPECTED: "123456789012"}])
def test_the_local_account_owns_all_buckets(headers: dict[str, str]) -> None:
    """Who expects nobody, or that account, is not refused."""
    assert owner_refusal(s3("GET", "/b/k", "", b"", **headers).environ) is None


@pytest.mark.parametrize("header", [EXPECTED, "HTTP_X_AMZ_SOURCE_EXPECTED_BUCKET_OWNER"])
def test_another_owner_is_access_denied(header: str) -> None:
    """403, as S3 answers; it does not say why."""
    answer = owner_refusal(s3("PUT", "/b/k", "", b"", **{header: "111111111111"}).environ)

    assert answer is not None
    assert answer.code == 403
    assert b"<Code>AccessDenied</Code><Message>Access Denied</Message>" in answer.content()


def test_an_answer_to_head_has_no_body() -> None:
    """Else it would be taken for the next answer."""
    answer = owner_refusal(s3("HEAD", "/b/k", "", b"", **{EXPECTED: "111111111111"}).environ)

    assert answer is not None
    assert (answer.code, answer.content()) == (403, b"")
