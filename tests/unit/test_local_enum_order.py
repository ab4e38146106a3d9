"""In which order AWS lists the values of an enumeration."""

from __future__ import annotations

import pytest

from mapfold.local.enum_order import as_listed


@pytest.mark.parametrize(
    ("in_the_model", "listed"),
    [
        (
            "RUNNING SUCCEEDED FAILED TIMED_OUT ABORTED PENDING_REDRIVE",
            "SUCCEEDED TIMED_OUT PENDING_REDRIVE ABORTED FAILED RUNNING",
        ),
        ("S N B", "B N S"),
        ("x86_64 arm64", "x86_64 arm64"),
        (
            "RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1 SYMMETRIC_DEFAULT",
            "RSA_2048 ECC_NIST_P384 ECC_NIST_P256 ECC_NIST_P521 RSA_3072 ECC_SECG_P256K1 RSA_4096 SYMMETRIC_DEFAULT",
        ),
    ],
    ids=["step-functions", "dynamodb", "lambda", "kms"],
)
def test_known_lists_follow_from_the_rule(in_the_model: str, listed: str) -> None:
    """One was recorded, the others are quoted in public."""
    assert as_listed(in_the_model.split()) == listed.split()
