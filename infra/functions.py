"""Lambda functions: one handler each, with a role, a log group and a package of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Size, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.policies import RolePolicy

RUNTIME = lambda_.Runtime.PYTHON_3_13
PYTHON_VERSION = "3.13"

_OLDER_RUNTIME = Acknowledgment(
    id="AwsSolutions::AwsSolutions-L1",
    reason="What a job requires is locked for one version of Python, so that this changes with the jobs, not by itself; "
    "Lambda supports 3.13 until 2029.",
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """The subnets and security groups through which a function reaches what is in a VPC."""

    subnets: Sequence[str]
    security_groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of everything a function gets."""

    memory_mb: int
    timeout_seconds: int
    ephemeral_storage_mb: int = 512
    reserved_concurrency: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    attachment: Attachment | None = None


class HandlerFunction(Construct):
    """The function of one handler, `tasks.<handler>.handler`, on arm64, with JSON logs and X-Ray.

    function, role, log_group: what it consists of. The role has one inline policy, `policy`; nothing that CDK would add
    to it on its own is granted.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        handler: str,
        code: lambda_.Code,
        layer: lambda_.ILayerVersion,
        shape: Shape,
        policy: RolePolicy,
        log_retention: logs.RetentionDays,
        description: str,
    ) -> None:
        super().__init__(scope, id_)
        self.log_group = logs.LogGroup(self, "Logs", retention=log_retention, removal_policy=RemovalPolicy.DESTROY)
        own = {"LogGroup": self.log_group.log_group_name}
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"{description}: its function",
            inline_policies={"Permissions": policy.document(own)},
        )
        policy.answer_for(self.role, own)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"tasks.{handler}.handler",
            code=code,
            layers=[layer],
            role=self.role.without_policy_updates(),
            description=description,
            memory_size=shape.memory_mb,
            timeout=Duration.seconds(shape.timeout_seconds),
            ephemeral_storage_size=Size.mebibytes(shape.ephemeral_storage_mb),
            reserved_concurrent_executions=shape.reserved_concurrency,
            environment=dict(shape.environment),
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
        )
        Validations.of(self.function).acknowledge(_OLDER_RUNTIME)
        if shape.attachment is not None:
            _attach(self.function, shape.attachment)


def _attach(function: lambda_.Function, attachment: Attachment) -> None:
    """By ids, on the resource itself: an imported VPC would have to know its availability zones."""
    resource = function.node.default_child
    assert isinstance(resource, lambda_.CfnFunction)
    resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
        subnet_ids=list(attachment.subnets), security_group_ids=list(attachment.security_groups)
    )
