"""A synthesized stage on moto's CloudFormation, in this process: as much of a deployment as can be had without AWS.

moto makes resources of most types and knows nothing of some. Those are left out of the template, and what refers to
them gets their name in the place of the reference; everything else is deployed as it stands.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from moto.cloudformation.parsing import resource_class_from_type

ACCOUNT, REGION = "123456789012", "us-east-1"
STACK = "mapfold-dev"
LAYER_PARAMETER = "/mapfold/powertools-layer"
LAYER = f"arn:aws:lambda:{REGION}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python313-arm64:1"
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"

Json = Any


@dataclass(frozen=True)
class MotoDeployment:
    """A stack that moto has made. unknown: the types of resources that it could not make."""

    unknown: frozenset[str]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by key."""
        (stack,) = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def function(self, handler: str) -> Mapping[str, Json]:
        """The configuration of the one function with a handler, as Lambda has it."""
        (found,) = (
            each
            for each in boto3.client("lambda").list_functions()["Functions"]
            if each["Handler"] == f"tasks.{handler}.handler"
        )
        return dict(found)


def deploy(assembly: Path) -> MotoDeployment:
    """Upload the assembly's assets where its template looks for them, and create the stack."""
    _upload_assets(assembly, json.loads((assembly / f"{STACK}.assets.json").read_text()))
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name=BOOTSTRAP_PARAMETER, Value="30", Type="String")
    ssm.put_parameter(Name=LAYER_PARAMETER, Value=LAYER, Type="String")
    template = json.loads((assembly / f"{STACK}.template.json").read_text())
    # moto looks up the parameter's default, too, where another one is given; it has no public ones of Powertools.
    template["Parameters"]["PowertoolsLayer"]["Default"] = LAYER_PARAMETER
    known, unknown = without_unknown(template)
    boto3.client("cloudformation").create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(known),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "PowertoolsLayer", "ParameterValue": LAYER_PARAMETER}],
    )
    return MotoDeployment(unknown)


def without_unknown(template: Mapping[str, Json]) -> tuple[dict[str, Json], frozenset[str]]:
    """The template without resources of types that moto does not know, and these types."""
    types = {name: each["Type"] for name, each in template["Resources"].items()}
    unknown = {name for name, type_ in types.items() if resource_class_from_type(type_) is None}
    resources = {name: each for name, each in template["Resources"].items() if name not in unknown}
    known = {**template, "Resources": resources}
    return _named(known, unknown), frozenset(types[name] for name in unknown)


def _named(value: Json, unknown: set[str]) -> Json:
    """`value` with names in the place of references to `unknown` resources, and without dependencies on them."""
    match value:
        case {"Ref": str(name)} if name in unknown:
            return name
        case {"Fn::GetAtt": [str(name), str(attribute)]} if name in unknown:
            return f"{name}.{attribute}"
        case {"DependsOn": list(names), **others}:
            return {"DependsOn": [name for name in names if name not in unknown], **_named(others, unknown)}
        case dict():
            return {key: _named(each, unknown) for key, each in value.items()}
        case list():
            return [_named(each, unknown) for each in value]
    return value


def _upload_assets(assembly: Path, manifest: Mapping[str, Json]) -> None:
    s3 = boto3.client("s3")
    for asset in manifest["files"].values():
        source = assembly / asset["source"]["path"]
        body = _zipped(source) if asset["source"]["packaging"] == "zip" else source.read_bytes()
        for destination in asset["destinations"].values():
            bucket = destination["bucketName"].replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", REGION)
            s3.create_bucket(Bucket=bucket)  # us-east-1 lets its owner create it again
            s3.put_object(Bucket=bucket, Key=destination["objectKey"], Body=body)


def _zipped(folder: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return file.getvalue()
