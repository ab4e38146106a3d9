"""Notices to people: encrypted SNS topics, and an e-mail subscription to each by a parameter of the stack.

A service of AWS can publish to an encrypted topic only with a key whose policy lets it, so there is one key of our own
for all topics of a stage: the managed key `aws/sns` lets no service in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, CfnCondition, CfnParameter, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

EVENTBRIDGE = "events.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"

_OUR_ALARMS: Mapping[str, Any] = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
_CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    # "You can't use of Condition blocks in Amazon SNS topic policies for EventBridge" (its guide, "Using resource-based
    # policies"), and the key policy that it gives for encrypted topics has none: with a condition nothing may arrive.
    EVENTBRIDGE: {},
    CLOUDWATCH: _OUR_ALARMS,
}


class NoticesKey(Construct):
    """The key of the stage's topics, which EventBridge and CloudWatch may encrypt with. `key`."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.key = kms.Key(
            self,
            "Key",
            description=f"Notices of {Stack.of(self).stack_name}: run events and alarms",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,  # it protects messages on their way, no data that stays
        )
        for service, conditions in _CONDITIONS.items():
            self.key.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=["*"],  # in a key's policy this is the key
                    principals=[iam.ServicePrincipal(service)],
                    conditions=conditions,
                )
            )


class NoticeTopic(Construct):
    """A topic that `publisher` alone, a service of AWS, may publish to without a role. `topic`.

    `parameter` becomes a parameter of the stack: the e-mail address to subscribe, empty for none. SNS asks the address
    for consent before it sends anything else.
    """

    def __init__(
        self, scope: Construct, id_: str, *, key: kms.IKey, publisher: str, parameter: str, about: str
    ) -> None:
        super().__init__(scope, id_)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="ServicePublishes",
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                principals=[iam.ServicePrincipal(publisher)],
                conditions=_CONDITIONS[publisher],
            )
        )
        self._subscribe(parameter, about)

    def _subscribe(self, parameter: str, about: str) -> None:
        stack = Stack.of(self)
        email = CfnParameter(
            stack,
            parameter,
            type="String",
            default="",
            allowed_pattern=r"^$|^[^@\s]+@[^@\s]+$",
            constraint_description="must be one e-mail address, or empty for no subscription",
            description=f"E-mail address that gets {about}; empty for none",
        )
        given = CfnCondition(
            stack,
            f"{parameter}Given",
            expression=Fn.condition_not(Fn.condition_equals(email.value_as_string, "")),
        )
        subscription = sns.CfnSubscription(
            self, "Email", topic_arn=self.topic.topic_arn, protocol="email", endpoint=email.value_as_string
        )
        subscription.cfn_options.condition = given
