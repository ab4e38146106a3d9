"""Names and ARNs of functions, and the settings that requests give."""

from __future__ import annotations

from typing import Any

import pytest

from mapfold.local.lambda_.errors import LambdaError
from mapfold.local.lambda_.functions import Scope
from mapfold.local.lambda_.invocations import exited, timed_out
from mapfold.local.lambda_.requests import Settings

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
SCOPE = Scope("us-east-1", "123456789012")
NEW = {"FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r", "Handler": "m.h", "Runtime": "python3.11"}


class TestReferences:
    @pytest.mark.parametrize(
        ("reference", "expected"),
        [
            ("f", ("f", None)),
            ("f:$LATEST", ("f", "$LATEST")),
            (ARN, ("f", None)),
            (ARN + ":$LATEST", ("f", "$LATEST")),
            ("123456789012:function:f", ("f", None)),
            ("function:f:prod", ("f", "prod")),
        ],
    )
    def test_a_function_has_many_names(self, reference: str, expected: tuple[str, str | None]) -> None:
        """A name, a partial ARN or an ARN, each perhaps with a qualifier."""
        assert SCOPE.resolve(reference) == expected

    @pytest.mark.parametrize("reference", ["", "a b", "f:", "a/b", "x" * 65, "arn:aws:s3:::bucket"])
    def test_what_is_no_name_is_refused(self, reference: str) -> None:
        """ValidationException, before anybody looks for a function."""
        with pytest.raises(LambdaError) as caught:
            SCOPE.resolve(reference)

        assert caught.value.code == "ValidationException"

    def test_another_accounts_function_is_not_found(self) -> None:
        """There is one account and one region here."""
        with pytest.raises(LambdaError) as caught:
            SCOPE.resolve(ARN.replace("123456789012", "999999999999"))

        assert caught.value.code == "ResourceNotFoundException"

    def test_two_qualifiers_must_agree(self) -> None:
        """One in the name and another in the query is a contradiction."""
        with pytest.raises(LambdaError, match="does not match the specified qualifier"):
            SCOPE.resolve("f:one", "two")


class TestSettings:
    def test_defaults_are_lambdas(self) -> None:
        """3 seconds and 128 MB."""
        settings = Settings.of_new(NEW)

        assert (settings.timeout_seconds, settings.memory_mb) == (3, 128)

    @pytest.mark.parametrize(
        ("change", "code", "text"),
        [
            ({"Timeout": 0}, "ValidationException", "'timeout' failed"),
            ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
            ({"Timeout": True}, "ValidationException", "'timeout' failed"),
            ({"MemorySize": 127}, "ValidationException", "greater than or equal to 128"),
            ({"MemorySize": 10241}, "ValidationException", "less than or equal to 10240"),
            ({"Role": "me"}, "ValidationException", "'role' failed"),
            ({"Runtime": "nodejs22.x"}, "ValidationException", "'runtime' failed"),
            ({"Handler": None}, "InvalidParameterValueException", "Handler is mandatory"),
            ({"PackageType": "Image"}, "InvalidParameterValueException", "not from an image"),
            ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
            ({"Environment": {"Variables": {"A1": "x" * 5000}}}, "InvalidParameterValueException", "4KB limit"),
            ({"Environment": {"Variables": {"1A": "x"}}}, "ValidationException", "environment.variables"),
        ],
    )
    def test_a_wrong_value_is_named(self, change: dict[str, Any], code: str, text: str) -> None:
        """The error says which member, and what it must be."""
        with pytest.raises(LambdaError) as caught:
            Settings.of_new(NEW | change)

        assert caught.value.code == code
        assert text in caught.value.message


class TestPayloadsOfDeadWorkers:
    def test_a_timeout_names_the_functions_seconds(self) -> None:
        """Two decimals, as Lambda prints them."""
        assert timed_out("r", 3) == (
            b'{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r Error: Task timed out after 3.00 seconds"}'
        )

    @pytest.mark.parametrize(
        ("returncode", "reason"),
        [
            (0, "Runtime exited without providing a reason"),
            (3, "Runtime exited with error: exit status 3"),
            (-9, "Runtime exited with error: signal: killed"),
        ],
    )
    def test_an_exit_says_how(self, returncode: int, reason: str) -> None:
        """Status, signal, or nothing at all."""
        expected = f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: {reason}"}}'

        assert exited("r", returncode).decode() == expected
