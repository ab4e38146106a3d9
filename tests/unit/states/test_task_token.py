"""Task tokens: what they look like, and what tells them apart."""

from __future__ import annotations

import base64

import pytest

from mapfold.states.task_token import execution_of, make_token

ARN = "arn:aws:states:us-east-1:123456789012:execution:demo:run.1"


def test_a_token_is_base64_as_aws_writes_it() -> None:
    """It begins as AWS's do, and is far shorter than the API allows, whatever the execution is called."""
    longest = f"arn:aws:states:us-east-1:123456789012:execution:{'m' * 80}/{'l' * 40}:{'n' * 80}"

    token = make_token(longest, 1000, 25_000)

    assert token.startswith("AAAAKgAAAAIAAAAA")
    assert len(token) < 1024


def test_every_attempt_has_a_token_of_its_own() -> None:
    """What it follows in the history tells attempts apart, and how often the execution was redriven."""
    attempts = [(ARN, 0, 2), (ARN, 0, 5), (ARN, 1, 2), (f"{ARN}2", 0, 2)]

    tokens = {make_token(*attempt) for attempt in attempts}

    assert len(tokens) == len(attempts)


def test_an_attempt_that_goes_on_has_the_same_token() -> None:
    """Nothing but the history is in it: a crash does not change it. It tells whose it is."""
    assert make_token(ARN, 0, 2) == make_token(ARN, 0, 2)
    assert execution_of(make_token(ARN, 3, 2)) == ARN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token",
        "AAAA",
        "no base64!",
        make_token(ARN, 0, 2)[:-4],
        base64.b64encode(base64.b64decode(make_token(ARN, 0, 2)) + b"x").decode(),
        "é",
    ],
)
def test_what_was_not_given_out_is_no_token(text: str) -> None:
    """Also one that was cut, or has more at its end."""
    with pytest.raises(ValueError, match=r"."):
        execution_of(text)
