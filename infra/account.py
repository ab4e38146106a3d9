"""The AWS account that a deployment goes to: whether there are credentials, whether CDK may deploy there, and whether API
Gateway may write logs there.
"""

from __future__ import annotations

from dataclasses import dataclass

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.config import Stage
from infra.errors import ToolError

LOGS_ROLE_PARAMETER = "ApiLogsRole"
"""Of the template: `create` or `existing` (`infra.http_api`)."""

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
_LEAST_BOOTSTRAP_VERSION = 6
"""What the template's own rule asks for."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the credentials lead to."""

    number: str
    region: str

    def __str__(self) -> str:
        return f"aws://{self.number}/{self.region}"


def find_account(session: boto3.Session, stage: Stage) -> Account:
    """The account of the session's credentials. ToolError if there are none, or they are not the stage's."""
    region = stage.region or session.region_name
    if region is None:
        raise ToolError("no AWS region is known. Set AWS_REGION, or write region in infra/stages.toml.")
    try:
        number = session.client("sts", region_name=region).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise ToolError(
            f"AWS did not take the credentials of this shell: {said}. "
            "Log in (`aws sso login`, or `aws configure`), and set AWS_PROFILE if you use a profile."
        ) from error
    if stage.account is not None and number != stage.account:
        raise ToolError(
            f"the credentials are those of account {number}, and stage {stage.name} is in {stage.account}. "
            "Set AWS_PROFILE to a profile of that account, or change infra/stages.toml."
        )
    return Account(number, region)


def check_bootstrap(session: boto3.Session, account: Account, *, command: str) -> None:
    """ToolError with the `command` to type where CDK's own stack (CDKToolkit) is missing or too old."""
    ssm = session.client("ssm", region_name=account.region)
    try:
        version = int(ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ParameterNotFound":
            problem = f"nobody has prepared account {account.number} for CDK in {account.region} yet"
            raise ToolError(f"{problem}. Do it once, by typing: {command}") from error
        return  # who may not read the parameter may still deploy: the `cdk` command says what it lacks
    if version < _LEAST_BOOTSTRAP_VERSION:
        raise ToolError(f"CDK's stack in {account.region} is of version {version}, too old. Renew it: {command}")


def lacks_api_logs_role(session: boto3.Session, account: Account) -> bool:
    """Whether API Gateway has no role to write logs with. It has one for all APIs of an account and region, or none.

    Who may not ask hears False: a role that is there must not be replaced.
    """
    try:
        settings = session.client("apigateway", region_name=account.region).get_account()
    except ClientError:
        return False
    return not settings.get("cloudwatchRoleArn")
