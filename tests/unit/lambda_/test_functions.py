"""Names and ARNs of functions, and the settings that requests give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapfold.local.lambda_.errors import LambdaError
from mapfold.local.lambda_.functions import Function, Scope
from mapfold.local.lambda_.invocations import exited, timed_out
from mapfold.local.lambda_.requests import Settings
from mapfold.local.lambda_.versions import Alias, Versions

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
        with pytest.raises(LambdaError) as elsewhere:
            SCOPE.resolve(ARN.replace("us-east-1", "eu-west-1"))

        assert caught.value.code == elsewhere.value.code == "ResourceNotFoundException"
        message = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        assert elsewhere.value.message == message

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
            ({"Role": None}, "ValidationException", "detected: Value null at 'role' failed"),
            (
                {"Runtime": "nodejs22.x"},
                "InvalidParameterValueException",
                "Value nodejs22.x at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ",
            ),
            (
                {"Handler": None},
                "InvalidParameterValueException",
                "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
            ),
            (
                {"Handler": "a b"},
                "ValidationException",
                r"'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+",
            ),
            ({"Handler": "h" * 129}, "ValidationException", "less than or equal to 128"),
            (
                {"Architectures": ["x86"]},
                "ValidationException",
                "constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
            ),
            ({"Architectures": 1}, "SerializationException", "Architectures must be a list"),
            ({"Environment": "x"}, "SerializationException", "Environment must have Variables"),
            ({"Environment": {"Variables": ["x"]}}, "SerializationException", "Environment must have Variables"),
            ({"Environment": {"Variables": {"A1": 1}}}, "SerializationException", "an object of texts"),
            ({"PackageType": "Image"}, "InvalidParameterValueException", "not from an image"),
            ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
            (
                {"Environment": {"Variables": {"A1": "x" * 5000}}},
                "InvalidParameterValueException",
                '4KB limit. String measured: {"A1":"xx',
            ),
            (
                {"Environment": {"Variables": {"1A": "x"}}},
                "ValidationException",
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
            ),
        ],
    )
    def test_a_wrong_value_is_named(self, change: dict[str, Any], code: str, text: str) -> None:
        """The error says which member, and what it must be."""
        with pytest.raises(LambdaError) as caught:
            Settings.of_new(NEW | change)

        assert caught.value.code == code
        assert text in caught.value.message


WEIGHTS = "at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map"


class NothingKept:
    """A store that keeps nothing."""

    async def put_version(self, version: Function) -> None:
        pass

    async def put_alias(self, alias: Alias) -> None:
        pass


class TestAliases:
    @pytest.mark.parametrize(
        ("version", "weights", "problem"),
        [
            (
                "1",
                {"2": 1.5},
                f"Value '{{2=1.5}}' {WEIGHTS} value must satisfy constraint: [Member must have value less ",
            ),
            (
                "1",
                {"live": 0.5},
                f"Value '{{live=0.5}}' {WEIGHTS} keys must satisfy constraint: [Member must have length ",
            ),
            ("1", {"1": 0.5}, "Invalid function version 1. Function version 1 is already included in routing "),
            ("1", {"2": 0.5, "3": 0.5}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
            ("$LATEST", {"1": 0.5}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ],
    )
    async def test_a_weight_that_cannot_be(self, version: str, weights: dict[str, float], problem: str) -> None:
        """Lambda's words for a share, a version, and versions that it refuses."""
        versions = Versions(SCOPE, NothingKept())  # type: ignore[arg-type]
        await versions.publish(Function("f", "m.h", Path("/"), "python3.11", "", "", 0, "", ""))
        document = {"Name": "a", "FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}}

        with pytest.raises(LambdaError) as caught:
            await versions.create_alias("f", document)

        assert problem in caught.value.message


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
