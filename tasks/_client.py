"""What a warm worker of a shared function keeps: its client of AWS, for the stage that its environment names."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mapfold.client import AwsClient, lambda_target


def client(context: Any) -> AwsClient:
    """This process's client. `context` is Lambda's: the function's ARN says account and region."""
    return _client(context.invoked_function_arn)


@cache
def _client(function_arn: str) -> AwsClient:
    return AwsClient(lambda_target(os.environ, function_arn))


def forget() -> None:
    """Make this process a cold worker again: for tests, which change the environment."""
    _client.cache_clear()
