"""Small stacks for the tests of one construct, and what is looked up in their templates by type, never by id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from infra.synthesis import CDK_JSON

Properties = Mapping[str, Any]


def empty_stack() -> Stack:
    """A stack named like that of the stage dev, with the feature flags of the app."""
    return Stack(App(context=json.loads(CDK_JSON.read_text())["context"]), "mapfold-dev")


def function(stack: Stack, name: str) -> lambda_.Function:
    """Some function."""
    return lambda_.Function(
        stack,
        name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
        timeout=Duration.seconds(30),
        log_group=logs.LogGroup.from_log_group_name(stack, f"{name}Logs", "elsewhere"),
    )


def template_of(stack: Stack) -> Template:
    """What CloudFormation would get."""
    return Template.from_stack(stack)


def resources(template: Template, type_: str) -> dict[str, Properties]:
    """The properties of all resources of a type, by logical id."""
    return {id_: each.get("Properties", {}) for id_, each in template.find_resources(type_).items()}


def only(template: Template, type_: str) -> Properties:
    """The properties of the one resource of a type."""
    (properties,) = resources(template, type_).values()
    return properties


def statements(policy: Properties) -> list[Properties]:
    """The statements of a resource's policy document."""
    return list(policy["PolicyDocument"]["Statement"])
