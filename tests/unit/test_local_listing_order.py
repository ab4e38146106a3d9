"""In which order AWS lists the values of an enumeration, and the members of a request that are wrong."""

from __future__ import annotations

import pytest

from mapfold.local.listing_order import order_of_values
from mapfold.states.java_hash import names_in_map_order


@pytest.mark.parametrize(
    ("in_the_model", "listed"),
    [
        (
            "RUNNING SUCCEEDED FAILED TIMED_OUT ABORTED PENDING_REDRIVE",
            "SUCCEEDED TIMED_OUT PENDING_REDRIVE ABORTED FAILED RUNNING",
        ),
        ("S N B", "B N S"),
        ("INDEXES TOTAL NONE", "INDEXES TOTAL NONE"),
        ("x86_64 arm64", "x86_64 arm64"),
        (
            "RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1 SYMMETRIC_DEFAULT",
            "RSA_2048 ECC_NIST_P384 ECC_NIST_P256 ECC_NIST_P521 RSA_3072 ECC_SECG_P256K1 RSA_4096 SYMMETRIC_DEFAULT",
        ),
    ],
    ids=["step-functions", "dynamodb-types", "dynamodb-capacity", "lambda", "kms"],
)
def test_known_lists_of_values_follow_from_the_rule(in_the_model: str, listed: str) -> None:
    """One was recorded, the others are quoted in public."""
    assert order_of_values(in_the_model.split()) == listed.split()


@pytest.mark.parametrize(
    ("in_the_model", "listed"),
    [
        ("readCapacityUnits writeCapacityUnits", "writeCapacityUnits readCapacityUnits"),
        ("attributeName attributeType", "attributeType attributeName"),
        ("domain execution", "execution domain"),
        ("username groupName", "groupName username"),
        ("username confirmationCode password", "confirmationCode password username"),
        ("label aWSAccountId actionName", "aWSAccountId label actionName"),
    ],
    ids=["dynamodb-throughput", "dynamodb-attribute", "swf", "cognito-group", "cognito-confirm", "sns"],
)
def test_known_orders_of_members_follow_from_the_rule(in_the_model: str, listed: str) -> None:
    """All are quoted in public."""
    assert names_in_map_order(in_the_model.split()) == listed.split()


def test_a_structure_with_many_members_has_a_larger_table() -> None:
    """Of 13 members two that would stand at one place of 16 stand apart."""
    few = ["aa", "aq"]  # their places are 0 and 0 of 16, 0 and 16 of 32
    many = ["aq", "aa", *(f"b{n}" for n in range(11))]

    assert names_in_map_order(["aq", "aa"]) == ["aq", "aa"]
    assert [name for name in names_in_map_order(many) if name in few] == ["aa", "aq"]
