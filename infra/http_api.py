"""The HTTP API: API Gateway in front of the function `api`, for callers that IAM knows.

Every method asks for a signature of IAM (`--aws-sigv4`), checks what the handler's OpenAPI document says about
parameters and bodies, and is throttled. There is no method without authorization, and no CORS: the API is for programs.

Access logs need a role that is a setting of the whole account and region. The stack touches it only if its parameter
`ApiLogsRole` is `create`, and then leaves it there: other APIs may have come to rely on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, Aws, CfnCondition, CfnParameter, Fn, RemovalPolicy, Stack, Validations
from aws_cdk import aws_apigateway as apigw
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.account import LOGS_ROLE_PARAMETER
from infra.api_document import Operation, operations

STAGE = "v1"

ACCESS_LOG: Mapping[str, str] = {
    "time": "$context.requestTime",
    "request": "$context.requestId",
    "trace": "$context.xrayTraceId",
    "caller": "$context.identity.userArn",
    "ip": "$context.identity.sourceIp",
    "agent": "$context.identity.userAgent",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "bytes": "$context.responseLength",
    "error": "$context.error.responseType",
    "integration": "$context.integration.error",
}
_WRITE_LOGS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "WriteLogsOfAllApis",  # the actions of AWS's AmazonAPIGatewayPushToCloudWatchLogs
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
                "logs:GetLogEvents",
                "logs:FilterLogEvents",
            ],
            "Resource": "*",
        }
    ],
}
_MESSAGE = "$context.error.messageString"  # with its quotes
# Without them. Quotes within it are said to come escaped; that was not tried on AWS.
_VALIDATION = '"$context.error.validationErrorString"'
_NO_TOKEN = '"not signed by IAM, or there is no such method and path. GET /openapi.json lists what there is."'

REFUSALS: Mapping[str, tuple[apigw.ResponseType, str, str]] = {
    "BadBody": (apigw.ResponseType.BAD_REQUEST_BODY, "BadRequest", _VALIDATION),
    "BadParameters": (apigw.ResponseType.BAD_REQUEST_PARAMETERS, "BadRequest", _MESSAGE),
    "BodyTooLarge": (apigw.ResponseType.REQUEST_TOO_LARGE, "BodyTooLarge", _MESSAGE),
    "WrongType": (apigw.ResponseType.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", _MESSAGE),
    "NoToken": (apigw.ResponseType.MISSING_AUTHENTICATION_TOKEN, "NotSignedOrUnknownRoute", _NO_TOKEN),
    "BadSignature": (apigw.ResponseType.INVALID_SIGNATURE, "AccessDenied", _MESSAGE),
    "ExpiredToken": (apigw.ResponseType.EXPIRED_TOKEN, "AccessDenied", _MESSAGE),
    "Denied": (apigw.ResponseType.ACCESS_DENIED, "AccessDenied", _MESSAGE),
    "Throttled": (apigw.ResponseType.THROTTLED, "Throttled", _MESSAGE),
    "Refused": (apigw.ResponseType.DEFAULT_4_XX, "$context.error.responseType", _MESSAGE),
    "Failed": (apigw.ResponseType.DEFAULT_5_XX, "$context.error.responseType", _MESSAGE),
}
"""What the gateway refuses by itself: the kind, and the word and the message (a JSON text) that it answers with.

A status is the gateway's own. A request that is not signed and one without a route are the same kind to it, 403.
"""


class HttpApi(Construct):
    """A REST API that has the operations of `document` (OpenAPI 3), all served by `api`. `rest_api`, `url`.

    requests_per_second, burst: what all callers together may ask; more is answered with 429.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        api: lambda_.IFunction,
        document: Mapping[str, Any],
        requests_per_second: int,
        burst: int,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        access_log = logs.LogGroup(self, "AccessLog", retention=log_retention, removal_policy=RemovalPolicy.DESTROY)
        logs_role = LogsRole(self, "LogsRole")
        self.rest_api = apigw.RestApi(
            self,
            "Api",
            rest_api_name=f"{stack.stack_name}-api",  # a dimension of its metrics, so it has to tell stages apart
            description=f"Start and inspect the runs of {stack.stack_name}",
            endpoint_types=[apigw.EndpointType.REGIONAL],
            cloud_watch_role=False,
            default_method_options=apigw.MethodOptions(authorization_type=apigw.AuthorizationType.IAM),
            deploy_options=apigw.StageOptions(
                stage_name=STAGE,
                description=f"Logs are written with the account's role, {logs_role.origin}",
                throttling_rate_limit=requests_per_second,
                throttling_burst_limit=burst,
                access_log_destination=apigw.LogGroupLogDestination(access_log),
                access_log_format=apigw.AccessLogFormat.custom(json.dumps(ACCESS_LOG)),
                logging_level=apigw.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,  # it would log inputs
                metrics_enabled=True,
                tracing_enabled=True,
            ),
        )
        self.rest_api.node.try_remove_child("Endpoint")  # an output that CDK adds; the stack says its own
        self.url = f"https://{self.rest_api.rest_api_id}.execute-api.{Aws.REGION}.{Aws.URL_SUFFIX}/{STAGE}"
        self._validator = self.rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        self._proxy = apigw.Integration(
            type=apigw.IntegrationType.AWS_PROXY,
            integration_http_method="POST",
            uri=f"arn:{Aws.PARTITION}:apigateway:{Aws.REGION}:lambda:path/2015-03-31/functions/{api.function_arn}/invocations",
        )
        for operation in operations(document):
            self._add(operation)
        self._answer_in_our_shape()
        self._let_stage_invoke(api)
        self._acknowledge()

    def _add(self, operation: Operation) -> None:
        self.rest_api.root.resource_for_path(operation.path).add_method(
            operation.method,
            self._proxy,
            request_validator=self._validator,
            request_parameters=dict(operation.parameters) or None,
            request_models=self._models(operation),
        )

    def _models(self, operation: Operation) -> Mapping[str, apigw.IModel] | None:
        if operation.body is None:
            return None
        words = [word for word in operation.path.replace("{", "").replace("}", "").split("/") if word]
        name = operation.method.capitalize() + "".join(word.capitalize() for word in words)
        model = apigw.CfnModel(
            self,
            name,
            rest_api_id=self.rest_api.rest_api_id,
            name=name,
            content_type="application/json",
            schema={"$schema": "http://json-schema.org/draft-04/schema#", **operation.body},
        )
        # A stage serves what its last deployment saw; another schema has to make another deployment.
        if self.rest_api.latest_deployment is not None:
            self.rest_api.latest_deployment.add_to_logical_id({name: operation.body})
        return {"application/json": apigw.Model.from_model_name(self, f"{name}Model", model.ref)}

    def _answer_in_our_shape(self) -> None:
        """What the gateway refuses by itself has the shape of the handler's errors, and their words where it has any."""
        for name, (kind, error, message) in REFUSALS.items():
            template = f'{{"error": "{error}", "message": {message}}}'
            self.rest_api.add_gateway_response(name, type=kind, templates={"application/json": template})

    def _let_stage_invoke(self, api: lambda_.IFunction) -> None:
        lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=api.function_arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.rest_api.arn_for_execute_api(stage=STAGE),
        )

    def _acknowledge(self) -> None:
        Validations.of(self.rest_api).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG4",
                reason="IAM authorizes every method: callers are programs and people of this account, not of a user pool.",
            )
        )
        Validations.of(self.rest_api.deployment_stage).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-APIG3",
                reason="Without a signature of IAM a request ends in the gateway, and the stage is throttled; a web "
                "firewall would cost more a month than all else that stands idle.",
            )
        )


class LogsRole(Construct):
    """The role that API Gateway writes logs with, for the whole account and region, if `ApiLogsRole` is `create`.

    Both resources stay when the stack goes. `origin` says where the role is from, and who uses it in a property is
    created after the role: cfn-lint takes no DependsOn on what is only there under a condition.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        stack = Stack.of(self)
        parameter = CfnParameter(
            stack,
            LOGS_ROLE_PARAMETER,
            type="String",
            default="existing",
            allowed_values=["existing", "create"],
            description="API Gateway writes logs with one role for the account and region: create it, or use what is set",
        )
        create = CfnCondition(
            stack, f"{LOGS_ROLE_PARAMETER}Created", expression=Fn.condition_equals(parameter, "create")
        )
        role = iam.CfnRole(
            self,
            "Role",
            assume_role_policy_document={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "apigateway.amazonaws.com"},
                    }
                ],
            },
            policies=[iam.CfnRole.PolicyProperty(policy_name="Permissions", policy_document=_WRITE_LOGS)],
        )
        account = apigw.CfnAccount(self, "Account", cloud_watch_role_arn=role.attr_arn)
        for resource in (role, account):
            resource.cfn_options.condition = create
            resource.apply_removal_policy(RemovalPolicy.RETAIN)
        self.origin = Fn.condition_if(
            create.logical_id, f"created with this stack ({account.ref})", "as it was"
        ).to_string()
        Validations.of(role).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-IAM5[Resource::*]",
                reason="API Gateway asks for these actions on all log groups: the role serves all APIs of the account, and "
                "their log groups are not known here.",
            )
        )
