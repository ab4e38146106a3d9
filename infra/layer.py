"""Powertools and the X-Ray SDK, as a layer: AWS's public one by its SSM parameter, another by its ARN, or one of ours."""

from __future__ import annotations

import re
from pathlib import Path

from aws_cdk import CfnParameter
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import BUNDLED_LAYER, LAYER_PARAMETER, PUBLIC_LAYER
from infra.errors import ConfigurationError, Finding
from infra.functions import PYTHON_VERSION, RUNTIME
from infra.package import ROOT
from infra.requirements import Requirements

LOCK = ROOT / "requirements.lock"
_BUNDLED = (
    *("aws-lambda-powertools", "aws-xray-sdk", "jmespath", "typing-extensions", "wrapt"),
    *("pydantic", "pydantic-core", "annotated-types", "typing-inspection"),
)
"""What the public layer has of that which our handlers import. botocore, which the X-Ray SDK needs, is Lambda's own."""


def powertools_layer(scope: Construct, which: str, requirements: Requirements) -> lambda_.ILayerVersion:
    """The layer that a stage's `powertools_layer` names. A public one is looked up by CloudFormation at deployment."""
    if which == BUNDLED_LAYER:
        return lambda_.LayerVersion(
            scope,
            "Powertools",
            code=lambda_.Code.from_asset(str(bundled_folder(requirements))),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[lambda_.Architecture.ARM_64],
            description=f"Powertools {locked_version('aws-lambda-powertools')} and what it needs",
        )
    arn = _public_arn(scope) if which == PUBLIC_LAYER else which
    return lambda_.LayerVersion.from_layer_version_arn(scope, "Powertools", arn)


def _public_arn(scope: Construct) -> str:
    version = locked_version("aws-lambda-powertools")
    parameter = CfnParameter(
        scope,
        LAYER_PARAMETER,
        type="AWS::SSM::Parameter::Value<String>",
        default=f"/aws/service/powertools/python/arm64/python{PYTHON_VERSION}/{version}",
        description="The SSM parameter with the ARN of the Powertools layer",
    )
    return parameter.value_as_string


def bundled_folder(requirements: Requirements) -> Path:
    """The layer's folder: what pip installs of the lock's lines, under `python/`."""
    lines = "\n".join(_locked_lines(LOCK.read_text())[name] for name in _BUNDLED) + "\n"
    return requirements.installed(lines, at=LOCK.name, options=["--no-deps"], under="python")


def locked_version(package: str, lock: Path = LOCK) -> str:
    """The version that the lock pins."""
    line = _locked_lines(lock.read_text()).get(package, "")
    found = re.match(r"[\w.-]+==([\w.]+)", line)
    if found is None:
        raise ConfigurationError([Finding(lock.name, f"{package} is not pinned in it", "Run `make lock`")])
    return found[1]


def _locked_lines(text: str) -> dict[str, str]:
    """The requirements of a lock by name, each with its hashes, on one line."""
    lines = text.replace("\\\n", " ").splitlines()
    return {line.partition("==")[0]: line for line in lines if "==" in line}
