"""Secrets of a job, as a warm worker reads them from Secrets Manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from moto import mock_aws

from mapfold.runs.secrets import DeclaredSecrets
from mapfold.runs.settings import Settings


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_a_secret_is_read_once_by_its_name_on_aws(secrets_manager: Any) -> None:
    """A warm worker keeps it, whatever becomes of it in the next minutes."""
    secrets_manager.create_secret(Name="real", SecretString="open sesame")
    secrets = DeclaredSecrets({"declared": "real"})

    first = secrets["declared"]
    secrets_manager.put_secret_value(SecretId="real", SecretString="changed")

    assert (first, secrets["declared"]) == ("open sesame", "open sesame")


def test_a_binary_secret_is_text_in_utf_8(secrets_manager: Any) -> None:
    """Secrets Manager keeps either."""
    secrets_manager.create_secret(Name="key", SecretBinary="geheim für dich".encode())

    assert DeclaredSecrets({"key": "key"})["key"] == "geheim für dich"


def test_a_secret_that_is_not_there_is_an_error_that_names_the_reason(secrets_manager: Any) -> None:
    """Of the item that needed it, or of the batch where setup did."""
    with pytest.raises(GetParameterError, match="can't find the specified secret"):
        DeclaredSecrets({"gone": "gone"})["gone"]


def test_names_on_aws_come_from_the_environment() -> None:
    """MAPFOLD_SECRETS, as MAPFOLD_TABLES does for tables; a secret that it does not name is called as it is declared."""
    needed = {"MAPFOLD_JOB": "j", "MAPFOLD_RUNS_BUCKET": "b", "MAPFOLD_RUNS_TABLE": "t"}

    settings = Settings.from_environment({**needed, "MAPFOLD_SECRETS": '{"orders/db": "arn:aws:secretsmanager:x"}'})

    assert settings.secret_ids == {"orders/db": "arn:aws:secretsmanager:x"}
    assert Settings.from_environment(needed).secret_ids == {}
