"""Versions, aliases, layers and concurrency by boto3's `lambda` client."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.lambda_.test_api import RETURNS_ONE, create, served, zipped

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

ACCOUNT = "arn:aws:lambda:us-east-1:123456789012"
TELLS_VERSION = (
    "def handler(event, context):\n"
    "    return [context.function_version, context.invoked_function_arn, context.log_stream_name]\n"
)
SLEEPS = "import time\ndef handler(event, context):\n    open(event, 'w').close(); time.sleep(2)\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaClient]:
    with served(tmp_path_factory.mktemp("data")) as (client, _):
        yield client


def called(client: LambdaClient, name: str, event: Any = None, **options: Any) -> Any:
    return json.loads(client.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **options)["Payload"].read())


def layer_of(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


class TestVersions:
    def test_a_version_stays_as_it_was_published(self, client: LambdaClient) -> None:
        """New code changes $LATEST alone; handler and answer know the version."""
        create(client, "published", TELLS_VERSION)
        version = client.publish_version(FunctionName="published", Description="the first")

        client.update_function_code(FunctionName="published", ZipFile=zipped(RETURNS_ONE))
        answer = client.invoke(FunctionName="published", Qualifier="1")

        assert (version["Version"], version["Description"]) == ("1", "the first")
        assert version["FunctionArn"] == f"{ACCOUNT}:function:published:1"
        number, arn, stream = json.loads(answer["Payload"].read())
        assert (answer["ExecutedVersion"], number, arn) == ("1", "1", f"{ACCOUNT}:function:published:1")
        assert "/[1]" in stream
        assert called(client, "published") == 1

    def test_the_same_is_not_published_twice(self, client: LambdaClient) -> None:
        """Nothing has changed since the last version: it is given again. Numbers are never used a second time."""
        create(client, "same", RETURNS_ONE)

        first = client.publish_version(FunctionName="same")["Version"]
        again = client.publish_version(FunctionName="same")["Version"]
        changed = client.update_function_code(FunctionName="same", ZipFile=zipped(TELLS_VERSION), Publish=True)
        client.delete_function(FunctionName="same", Qualifier="2")
        client.update_function_configuration(FunctionName="same", Timeout=4)
        third = client.publish_version(FunctionName="same")["Version"]

        assert (first, again, changed["Version"], third) == ("1", "1", "2", "3")
        listed = client.list_versions_by_function(FunctionName="same")["Versions"]
        assert [each["Version"] for each in listed] == ["$LATEST", "1", "3"]

    def test_what_is_not_the_latest_is_not_published(self, client: LambdaClient) -> None:
        """CodeSha256 and RevisionId have to be those of $LATEST."""
        create(client, "guarded", RETURNS_ONE)

        with pytest.raises(client.exceptions.InvalidParameterValueException, match="is different from current"):
            client.publish_version(FunctionName="guarded", CodeSha256="another")
        with pytest.raises(client.exceptions.PreconditionFailedException):
            client.publish_version(FunctionName="guarded", RevisionId="another")

    def test_versions_go_with_their_function(self, client: LambdaClient) -> None:
        """A function of the same name begins at 1 again."""
        for _ in range(2):
            created = client.create_function(
                FunctionName="anew", Role="arn:aws:iam::123456789012:role/any", Runtime="python3.11",
                Handler="app.handler", Code={"ZipFile": zipped(RETURNS_ONE)}, Publish=True,
            )  # fmt: skip
            client.delete_function(FunctionName="anew")

        assert created["Version"] == "1"


class TestAliases:
    def test_an_alias_leads_to_its_version(self, client: LambdaClient) -> None:
        """The invoked ARN is the alias's; where it points to can be changed."""
        create(client, "aliased", TELLS_VERSION)
        client.publish_version(FunctionName="aliased")
        alias = client.create_alias(FunctionName="aliased", Name="live", FunctionVersion="1")

        version, arn, _ = called(client, "aliased:live")
        client.update_alias(FunctionName="aliased", Name="live", FunctionVersion="$LATEST")
        after = called(client, "aliased", Qualifier="live")[0]

        assert alias["AliasArn"] == arn == f"{ACCOUNT}:function:aliased:live"
        assert (version, after) == ("1", "$LATEST")
        assert client.get_alias(FunctionName="aliased", Name="live")["FunctionVersion"] == "$LATEST"

    def test_an_alias_shares_calls_between_two_versions(self, client: LambdaClient) -> None:
        """A weight of 1 gives the other version all calls; more than one other is refused."""
        create(client, "shared", TELLS_VERSION)
        client.publish_version(FunctionName="shared")
        client.update_function_configuration(FunctionName="shared", Timeout=4)
        client.publish_version(FunctionName="shared")
        weights: Any = {"AdditionalVersionWeights": {"2": 1.0}}
        client.create_alias(FunctionName="shared", Name="canary", FunctionVersion="1", RoutingConfig=weights)

        taken = [called(client, "shared:canary")[0] for _ in range(3)]

        assert taken == ["2", "2", "2"]
        with pytest.raises(client.exceptions.InvalidParameterValueException, match="cannot be greater than 1"):
            client.update_alias(
                FunctionName="shared", Name="canary", RoutingConfig={"AdditionalVersionWeights": {"1": 0.1, "2": 0.1}}
            )

    def test_refusals(self, client: LambdaClient) -> None:
        """A taken name, an unknown version, an unknown alias, and a version that an alias needs."""
        create(client, "refused", RETURNS_ONE)
        client.publish_version(FunctionName="refused")
        client.create_alias(FunctionName="refused", Name="live", FunctionVersion="1")

        with pytest.raises(client.exceptions.ResourceConflictException, match="Alias already exists"):
            client.create_alias(FunctionName="refused", Name="live", FunctionVersion="1")
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=r"Function not found: .*:refused:9"):
            client.create_alias(FunctionName="refused", Name="other", FunctionVersion="9")
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="Cannot find alias arn"):
            client.get_alias(FunctionName="refused", Name="none")
        with pytest.raises(client.exceptions.ResourceNotFoundException, match=r"Alias not found: .*:refused:none"):
            client.update_alias(FunctionName="refused", Name="none", Description="d")
        in_use = r"Unable to delete version because the following aliases reference it: \[live\]"
        with pytest.raises(client.exceptions.ResourceConflictException, match=in_use):
            client.delete_function(FunctionName="refused", Qualifier="1")
        client.delete_function(FunctionName="refused", Qualifier="7")


class TestLayers:
    def test_a_function_finds_what_its_layers_hold(self, client: LambdaClient) -> None:
        """A later layer's module is the one that counts, as if it were unpacked over the earlier one's."""
        first = layer_of({"python/colour.py": "NAME = 'red'", "python/shape.py": "NAME = 'round'"})
        second = layer_of({"python/colour.py": "NAME = 'blue'"})
        arns = [
            client.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
            for name, content in (("first", first), ("second", second))
        ]
        source = "import colour, shape\ndef handler(event, context):\n    return [colour.NAME, shape.NAME]\n"
        create(client, "layered", source)

        configured = client.update_function_configuration(FunctionName="layered", Layers=arns)

        assert called(client, "layered") == ["blue", "round"]
        assert [layer["Arn"] for layer in configured["Layers"]] == arns

    def test_a_folder_is_a_layer_in_place(self, client: LambdaClient, tmp_path: Path) -> None:
        """The bucket `mapfold-local` takes a folder of this machine, as for a function's code."""
        (tmp_path / "python").mkdir()
        (tmp_path / "python" / "taste.py").write_text("NAME = 'sweet'")
        content: Any = {"S3Bucket": "mapfold-local", "S3Key": str(tmp_path)}
        layer = client.publish_layer_version(LayerName="folder", Content=content)
        create(client, "tastes", "import taste\ndef handler(event, context):\n    return taste.NAME\n")

        client.update_function_configuration(FunctionName="tastes", Layers=[layer["LayerVersionArn"]])

        assert called(client, "tastes") == "sweet"

    def test_versions_of_layers_are_listed_and_deleted(self, client: LambdaClient) -> None:
        """Newest first; by ARN too; what is deleted can be named by no function."""
        for _ in range(2):
            layer = client.publish_layer_version(LayerName="many", Content={"ZipFile": layer_of({"python/a.py": ""})})
        client.delete_layer_version(LayerName="many", VersionNumber=1)

        listed = client.list_layer_versions(LayerName="many")["LayerVersions"]
        by_arn = client.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])

        assert [each["Version"] for each in listed] == [2] == [by_arn["Version"]]
        assert "many" in [each["LayerName"] for each in client.list_layers()["Layers"]]
        create(client, "bare", RETURNS_ONE)
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"many:1 does not exist"):
            client.update_function_configuration(FunctionName="bare", Layers=[f"{ACCOUNT}:layer:many:1"])
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_layer_version(LayerName="many", VersionNumber=1)


class TestConcurrency:
    def test_a_reserved_function_throttles_the_next_call(self, client: LambdaClient, tmp_path: Path) -> None:
        """At its limit a call is TooManyRequestsException 429 with the reason; an event waits its turn."""
        create(client, "narrow", SLEEPS)
        client.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)
        first, second = tmp_path / "first", tmp_path / "second"
        client.invoke(FunctionName="narrow", InvocationType="Event", Payload=json.dumps(str(first)).encode())
        await_file(first)

        with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
            client.invoke(FunctionName="narrow", Payload=json.dumps(str(second)).encode())
        client.invoke(FunctionName="narrow", InvocationType="Event", Payload=json.dumps(str(second)).encode())

        response: Any = refused.value.response
        assert response["Error"]["Message"] == "Rate Exceeded."
        assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
        await_file(second)

    def test_a_reservation_is_seen_and_taken_back(self, client: LambdaClient) -> None:
        """0 stops a function; without one it is called again; 100 are left to all others."""
        create(client, "stopped", RETURNS_ONE)
        client.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)

        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName="stopped")
        with pytest.raises(client.exceptions.InvalidParameterValueException, match=r"minimum value of \[100\]"):
            client.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=990)
        seen = client.get_function(FunctionName="stopped")["Concurrency"]
        client.delete_function_concurrency(FunctionName="stopped")

        assert seen == {"ReservedConcurrentExecutions": 0}
        assert called(client, "stopped") == 1


def test_all_of_it_survives_a_restart(tmp_path: Path) -> None:
    """Versions, aliases, layers and reservations are there again."""
    with served(tmp_path) as (client, _):
        create(client, "kept", TELLS_VERSION)
        layer = client.publish_layer_version(LayerName="kept", Content={"ZipFile": layer_of({"python/a.py": ""})})
        client.update_function_configuration(FunctionName="kept", Layers=[layer["LayerVersionArn"]])
        client.publish_version(FunctionName="kept")
        client.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
        client.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=7)

    with served(tmp_path) as (client, _):
        version = called(client, "kept:live")[0]
        configuration = client.get_function_configuration(FunctionName="kept", Qualifier="1")
        reserved = client.get_function_concurrency(FunctionName="kept")["ReservedConcurrentExecutions"]

    assert (version, reserved) == ("1", 7)
    assert configuration["Layers"][0]["Arn"] == layer["LayerVersionArn"]


def await_file(path: Path) -> None:
    for _ in range(1_000):
        if path.exists():
            return
        time.sleep(0.01)  # another process writes it
    pytest.fail(f"{path.name} was not written")
