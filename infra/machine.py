"""A job's state machine: the very definition that `workflows` builds and the embedded AWS runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.policies import RolePolicy


class JobMachine(Construct):
    """The state machine `name`, STANDARD, with a role and a log group of its own.

    Its log has every event with its data. Map runs are seen in the console under the labels in the definition.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        definition: Mapping[str, Any],
        substitutions: Mapping[str, str],
        policy: RolePolicy,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, id_)
        self.name = name
        # The prefix that Step Functions asks for: the account's resource policy for log delivery does not grow with it.
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        own = {"LogGroup": self.log_group.log_group_name}
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description=f"The state machine {name}",
            inline_policies={"Permissions": policy.document(own)},
        )
        policy.answer_for(self.role, own)
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=name,
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition, ensure_ascii=False)),
            definition_substitutions=dict(substitutions),
            role=self.role.without_policy_updates(),
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=self.log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
        )
