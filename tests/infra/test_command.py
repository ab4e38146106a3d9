"""`python -m infra`: what it asks, what it calls, and what it says when AWS is not ready."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import boto3
import pytest
from moto import mock_aws

from infra import command
from infra.account import find_account
from infra.command import World
from infra.config import Stage
from infra.errors import ToolError
from infra.synthesis import Order, Synthesized
from mapfold.job import LoadedJobs

REGION: Final = "eu-west-1"
ACCOUNT = "123456789012"


@pytest.fixture
def aws() -> Iterator[boto3.Session]:
    """An account, empty, with credentials for it."""
    with mock_aws():
        yield boto3.Session("key", "secret", region_name=REGION)


class Scene:
    """A world that writes down what it is told: what was `said`, and what was `run` of cdk, in which environment.

    typed: what the person answers; code: what cdk ends with; parameters: of the template.
    """

    def __init__(
        self,
        session: boto3.Session,
        *,
        typed: str = "",
        code: int = 0,
        parameters: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.said: list[str] = []
        self.run: list[tuple[list[str], Mapping[str, str]]] = []
        self._code, self._parameters = code, parameters or {}
        self.world = World(
            {"HOME": "/home"}, self._synthesize, lambda: session, self._run, lambda question: typed, self.said.append
        )

    def _synthesize(self, order: Order) -> Synthesized:
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Parameters": self._parameters}
        output = Path("/build/cdk.out", order.stage)
        return Synthesized(Stage(name=order.stage), LoadedJobs(), output, template, records_tables=True)

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        node_and_script = 2
        self.run.append((list(words[node_and_script:]), environment))
        return self._code


def options(*words: str) -> argparse.Namespace:
    """A command line."""
    return command._parser().parse_args(words)


def bootstrapped(session: boto3.Session, *, version: str) -> None:
    """CDK's own parameter, as `cdk bootstrap` leaves it."""
    session.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value=version, Type="String")


class TestAccount:
    """Credentials are looked at before anything takes minutes."""

    def test_the_account_is_that_of_the_credentials(self, aws: boto3.Session) -> None:
        """In the shell's region, or the stage's own."""
        assert str(find_account(aws, Stage(name="dev"))) == f"aws://{ACCOUNT}/{REGION}"
        assert str(find_account(aws, Stage(name="dev", region="us-east-1"))) == f"aws://{ACCOUNT}/us-east-1"

    def test_without_a_region_it_says_where_to_write_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither the shell nor the stage has one."""
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

        with pytest.raises(
            ToolError, match=r"no AWS region is known\. Set AWS_REGION, or write region in infra/stages"
        ):
            find_account(boto3.Session(), Stage(name="dev"))

    def test_the_region_is_that_of_either_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 knows AWS_DEFAULT_REGION alone; AWS_REGION, which all others know, comes first."""
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.delenv("AWS_REGION", raising=False)
        by_default = World.real().session().region_name
        monkeypatch.setenv("AWS_REGION", REGION)

        assert (by_default, World.real().session().region_name) == ("us-east-1", REGION)

    def test_without_credentials_it_says_how_to_get_some(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No variable, no file, no machine's role."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        with pytest.raises(ToolError, match=r"Unable to locate credentials\. Log in"):
            find_account(boto3.Session(region_name=REGION), Stage(name="dev"))

    def test_another_account_than_the_stages_is_refused(self, aws: boto3.Session) -> None:
        """prod is not deployed with dev's profile."""
        stage = Stage(name="prod", account="999999999999", region=REGION)

        with pytest.raises(
            ToolError, match=f"of account {ACCOUNT}, and stage prod is in 999999999999. Set AWS_PROFILE"
        ):
            find_account(aws, stage)


class TestDeploy:
    """`deploy` synthesizes, looks whether CDK may deploy there, and calls `cdk deploy` on what was synthesized."""

    def test_an_account_that_is_not_prepared_is_told_the_command_to_type(self, aws: boto3.Session) -> None:
        """`cdk` would say the same after a while, with a command that is not on the shell's path."""
        scene = Scene(aws)
        told = rf"account {ACCOUNT} for CDK in {REGION} yet\. Do it once, by typing: .*python.* -m infra bootstrap --stage dev"

        with pytest.raises(ToolError, match=told):
            command.deploy(options("deploy"), scene.world)

        assert scene.run == []

    def test_an_account_that_was_prepared_long_ago_is_told_to_renew_it(self, aws: boto3.Session) -> None:
        """The template asks for version 6."""
        bootstrapped(aws, version="5")

        with pytest.raises(ToolError, match=r"of version 5, too old\. Renew it: "):
            command.deploy(options("deploy"), Scene(aws).world)

    def test_cdk_deploys_the_assembly_that_was_synthesized(self, aws: boto3.Session) -> None:
        """In the account's region, with the template's parameters, and without a word to anybody else."""
        bootstrapped(aws, version="21")
        scene = Scene(aws)

        code = command.deploy(
            options("deploy", "--parameter", "AlarmsEmail=a@example.org", "--", "--no-rollback"), scene.world
        )

        ((words, environment),) = scene.run
        assert code == 0
        assert words == [
            *(
                "deploy",
                "mapfold-dev",
                "--app",
                "/build/cdk.out/dev",
                "--outputs-file",
                "/build/cdk.out/dev-outputs.json",
            ),
            *("--parameters", "AlarmsEmail=a@example.org", "--parameters", "ApiLogsRole=create", "--no-rollback"),
        ]
        assert (environment["AWS_REGION"], environment["CDK_DISABLE_CLI_TELEMETRY"]) == (REGION, "true")
        assert scene.said[-1].endswith("mapfold run JOB SOURCE --on aws --stack mapfold-dev")

    def test_an_account_whose_apis_write_logs_already_keeps_its_role(self, aws: boto3.Session) -> None:
        """The role is a setting of the whole account and region: the stack sets it only where there is none."""
        bootstrapped(aws, version="21")
        role = {"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/logs"}
        aws.client("apigateway").update_account(patchOperations=[role])
        scene = Scene(aws)

        command.deploy(options("deploy"), scene.world)

        ((words, _),) = scene.run
        assert "ApiLogsRole=create" not in words

    def test_what_the_person_says_of_the_role_holds(self, aws: boto3.Session) -> None:
        """A parameter that was given is not given a second time."""
        bootstrapped(aws, version="21")
        scene = Scene(aws)

        command.deploy(options("deploy", "--parameter", "ApiLogsRole=existing"), scene.world)

        ((words, _),) = scene.run
        assert [word for word in words if word.startswith("ApiLogsRole")] == ["ApiLogsRole=existing"]

    @pytest.mark.parametrize(
        ("given", "passed"),
        [([], "PowertoolsLayer=/layer/of/3.31"), (["--parameter", "PowertoolsLayer=/mine"], "PowertoolsLayer=/mine")],
    )
    def test_a_new_version_of_powertools_reaches_a_stack_that_stands(
        self, aws: boto3.Session, given: list[str], passed: str
    ) -> None:
        """cdk keeps a parameter's former value otherwise. What the person says of it holds."""
        bootstrapped(aws, version="21")
        scene = Scene(aws, parameters={"PowertoolsLayer": {"Default": "/layer/of/3.31"}})

        command.deploy(options("deploy", *given), scene.world)

        ((words, _),) = scene.run
        assert [word for word in words if word.startswith("PowertoolsLayer")] == [passed]

    def test_what_cdk_ends_with_is_what_the_command_ends_with(self, aws: boto3.Session) -> None:
        """And nothing is said of a success."""
        bootstrapped(aws, version="21")
        scene = Scene(aws, code=1)

        assert command.deploy(options("deploy"), scene.world) == 1
        assert "deployed" not in scene.said[-1]


def test_synth_tells_where_the_template_is_and_what_to_commit(aws: boto3.Session) -> None:
    """tables.json has changed: it says so."""
    scene = Scene(aws)

    assert command.synth(options("synth", "--stage", "prod"), scene.world) == 0
    assert scene.said == [
        "mapfold-prod: 1 resources for the jobs none, in /build/cdk.out/prod",
        "infra/tables.json has changed: it records the keys of new tables. Commit it.",
    ]


def test_diff_asks_cdk(aws: boto3.Session) -> None:
    """With what the account has."""
    scene = Scene(aws)

    command.diff(options("diff"), scene.world)

    assert [words for words, _ in scene.run] == [["diff", "mapfold-dev", "--app", "/build/cdk.out/dev"]]


def test_bootstrap_names_the_account_and_the_region(aws: boto3.Session) -> None:
    """`cdk bootstrap` would otherwise look for an app."""
    scene = Scene(aws)

    command.bootstrap(options("bootstrap"), scene.world)

    assert [words for words, _ in scene.run] == [["bootstrap", f"aws://{ACCOUNT}/{REGION}"]]


class TestDestroy:
    """`destroy` asks for the stack's name, and keeps what is stored."""

    @pytest.fixture(autouse=True)
    def _stack(self, aws: boto3.Session) -> None:
        template = {
            "Resources": {
                "Data": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": "data"}},
                "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "work"}},
            }
        }
        aws.client("cloudformation").create_stack(StackName="mapfold-dev", TemplateBody=json.dumps(template))

    def test_nothing_is_deleted_unless_the_name_is_typed(self, aws: boto3.Session) -> None:
        """Enter alone, `yes`, or another stage's name are all no."""
        for typed in ("", "yes", "mapfold-prod"):
            with pytest.raises(ToolError, match="Nothing was deleted"):
                command.destroy(options("destroy", "--delete-data"), Scene(aws, typed=typed).world)

        assert is_there(aws, "mapfold-dev")
        assert buckets(aws) == ["data"]

    def test_it_says_first_what_becomes_of_the_data(self, aws: boto3.Session) -> None:
        """The person who types has read it."""
        scene = Scene(aws, typed="mapfold-dev")

        command.destroy(options("destroy"), scene.world)

        assert (
            scene.said[0]
            == f"About to delete the stack mapfold-dev in account {ACCOUNT}, {REGION}.\n  bucket data: kept"
        )
        assert not is_there(aws, "mapfold-dev")
        assert buckets(aws) == ["data"]

    def test_data_goes_only_when_that_was_asked_for(self, aws: boto3.Session) -> None:
        """After the stack's end."""
        scene = Scene(aws, typed="mapfold-dev")

        command.destroy(options("destroy", "--delete-data"), scene.world)

        assert "bucket data: deleted with everything in it" in scene.said[0]
        assert not is_there(aws, "mapfold-dev")
        assert buckets(aws) == []

    def test_what_was_kept_can_be_deleted_later(self, aws: boto3.Session) -> None:
        """The first command keeps it, the second says what is left, the third deletes it."""
        first, second, third = (Scene(aws, typed="mapfold-dev") for _ in range(3))

        command.destroy(options("destroy"), first.world)
        command.destroy(options("destroy"), second.world)
        command.destroy(options("destroy", "--delete-data"), third.world)

        assert second.said[0].endswith("it has left:\n  bucket data\nDELETE_DATA=yes deletes them.")
        assert third.said[0].startswith("About to delete what the stack mapfold-dev has left")
        assert buckets(aws) == []

    def test_what_a_former_job_left_is_told_apart_from_what_the_stack_has(self, aws: boto3.Session) -> None:
        """It is found by its tag, and goes with the rest."""
        s3 = aws.client("s3")
        s3.create_bucket(Bucket="former", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_tagging(Bucket="former", Tagging={"TagSet": [{"Key": "mapfold:stack", "Value": "mapfold-dev"}]})
        scene = Scene(aws, typed="mapfold-dev")

        command.destroy(options("destroy", "--delete-data"), scene.world)

        data, former = scene.said[0].splitlines()[1:]
        assert data == "  bucket data: deleted with everything in it"
        assert former.startswith("  bucket former, left by an earlier deployment or by a job that is no longer in the")
        assert former.endswith(": deleted with everything in it")
        assert buckets(aws) == []

    def test_a_stage_that_is_not_deployed_has_nothing_to_delete(self, aws: boto3.Session) -> None:
        """Nobody is asked."""
        scene = Scene(aws)

        assert command.destroy(options("destroy", "--stage", "prod"), scene.world) == 0
        assert scene.said == [f"there is no stack mapfold-prod in account {ACCOUNT}, {REGION}"]


def is_there(aws: boto3.Session, stack: str) -> bool:
    return stack in [each["StackName"] for each in aws.client("cloudformation").describe_stacks()["Stacks"]]


def buckets(aws: boto3.Session) -> list[str]:
    return [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]]


def test_a_mistake_in_the_configuration_ends_the_command_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """One line on stderr, and no trace of Node."""
    assert command.main(["synth", "--stage", "nowhere"]) == 2

    assert capsys.readouterr().err.startswith(
        "infra: infra/stages.toml: there is no stage 'nowhere'. Use one of: dev, prod."
    )
