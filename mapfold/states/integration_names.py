"""Which optimized integrations Step Functions has: services, actions, patterns, and the parameters it knows of them.

From the developer guide, "Integrating services with Step Functions" and the page of each service. `aws-sdk`
integrations are not in here: there are as many as the SDK has actions, and they take request-response and
`.waitForTaskToken`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SDK = "aws-sdk:"

REQUEST_RESPONSE = ""
SYNC = "sync"
SYNC_2 = "sync:2"
TOKEN = "waitForTaskToken"

SDK_PATTERNS = frozenset({REQUEST_RESPONSE, TOKEN})

_CALL = frozenset({REQUEST_RESPONSE})
_JOB = frozenset({REQUEST_RESPONSE, SYNC})
_CALLBACK = frozenset({REQUEST_RESPONSE, TOKEN})

PATTERNS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "apigateway": {"invoke": _CALLBACK},
    "athena": {
        "startQueryExecution": _JOB,
        "stopQueryExecution": _CALL,
        "getQueryExecution": _CALL,
        "getQueryResults": _CALL,
    },
    "batch": {"submitJob": _JOB},
    "bedrock": {"invokeModel": _CALLBACK, "createModelCustomizationJob": _JOB},
    "codebuild": {
        "startBuild": _JOB,
        "stopBuild": _CALL,
        "batchDeleteBuilds": _CALL,
        "batchGetReports": _CALL,
        "startBuildBatch": _JOB,
        "stopBuildBatch": _CALL,
        "retryBuildBatch": _JOB,
        "deleteBuildBatch": _CALL,
    },
    "databrew": {"startJobRun": _JOB},
    "dynamodb": {"getItem": _CALL, "putItem": _CALL, "deleteItem": _CALL, "updateItem": _CALL},
    "ecs": {"runTask": _JOB | _CALLBACK},
    "eks": {
        "call": _CALL,
        "runJob": _JOB,
        "createCluster": _JOB,
        "deleteCluster": _JOB,
        "createFargateProfile": _JOB,
        "deleteFargateProfile": _JOB,
        "createNodegroup": _JOB,
        "deleteNodegroup": _JOB,
    },
    "elasticmapreduce": {
        "createCluster": _JOB,
        "terminateCluster": _JOB,
        "addStep": _JOB,
        "cancelStep": _CALL,
        "setClusterTerminationProtection": _CALL,
        "modifyInstanceFleetByName": _CALL,
        "modifyInstanceGroupByName": _CALL,
    },
    "emr-containers": {"createVirtualCluster": _CALL, "deleteVirtualCluster": _JOB, "startJobRun": _JOB},
    "emr-serverless": {
        "createApplication": _JOB,
        "startApplication": _JOB,
        "stopApplication": _JOB,
        "deleteApplication": _JOB,
        "startJobRun": _JOB,
        "cancelJobRun": _JOB,
    },
    "events": {"putEvents": _CALLBACK},
    "glue": {"startJobRun": _JOB},
    "http": {"invoke": _CALL},
    "lambda": {"invoke": _CALLBACK},
    "mediaconvert": {"createJob": _JOB},
    "sagemaker": {
        "createEndpoint": _CALL,
        "createEndpointConfig": _CALL,
        "createHyperParameterTuningJob": _JOB,
        "createLabelingJob": _JOB,
        "createModel": _CALL,
        "createProcessingJob": _JOB,
        "createTrainingJob": _JOB,
        "createTransformJob": _JOB,
        "updateEndpoint": _CALL,
    },
    "sns": {"publish": _CALLBACK},
    "sqs": {"sendMessage": _CALLBACK},
    "states": {"startExecution": frozenset({REQUEST_RESPONSE, SYNC, SYNC_2, TOKEN})},
}
"""The patterns of each action of each optimized service."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The members of an action's parameters. `known` None: the service's own list is not kept here."""

    required: tuple[str, ...]
    known: frozenset[str] | None = None


_ITEM_CALL = frozenset(
    {
        "TableName",
        "ConditionExpression",
        "ConditionalOperator",
        "Expected",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
    }
)

PARAMETERS: Mapping[tuple[str, str], Parameters] = {
    ("lambda", "invoke"): Parameters(
        ("FunctionName",),
        frozenset({"FunctionName", "Payload", "Qualifier", "InvocationType", "ClientContext", "LogType"}),
    ),
    ("sqs", "sendMessage"): Parameters(
        ("QueueUrl", "MessageBody"),
        frozenset(
            {
                "QueueUrl",
                "MessageBody",
                "DelaySeconds",
                "MessageAttributes",
                "MessageDeduplicationId",
                "MessageGroupId",
            }
        ),
    ),
    ("sns", "publish"): Parameters(
        ("Message",),
        frozenset(
            {
                "Message",
                "MessageAttributes",
                "MessageDeduplicationId",
                "MessageGroupId",
                "MessageStructure",
                "PhoneNumber",
                "Subject",
                "TargetArn",
                "TopicArn",
            }
        ),
    ),
    ("dynamodb", "getItem"): Parameters(
        ("TableName", "Key"),
        frozenset(
            {
                "TableName",
                "Key",
                "AttributesToGet",
                "ConsistentRead",
                "ExpressionAttributeNames",
                "ProjectionExpression",
                "ReturnConsumedCapacity",
            }
        ),
    ),
    ("dynamodb", "putItem"): Parameters(("TableName", "Item"), _ITEM_CALL | {"Item"}),
    ("dynamodb", "deleteItem"): Parameters(("TableName", "Key"), _ITEM_CALL | {"Key"}),
    ("dynamodb", "updateItem"): Parameters(
        ("TableName", "Key"), _ITEM_CALL | {"Key", "AttributeUpdates", "UpdateExpression"}
    ),
    ("states", "startExecution"): Parameters(("StateMachineArn",), frozenset({"StateMachineArn", "Input", "Name"})),
    ("events", "putEvents"): Parameters(("Entries",), frozenset({"Entries"})),
    ("bedrock", "invokeModel"): Parameters(("ModelId",)),
    ("batch", "submitJob"): Parameters(("JobName", "JobQueue", "JobDefinition")),
    ("ecs", "runTask"): Parameters(("TaskDefinition",)),
    ("glue", "startJobRun"): Parameters(("JobName",)),
    ("athena", "startQueryExecution"): Parameters(("QueryString",)),
    ("apigateway", "invoke"): Parameters(("ApiEndpoint", "Method")),
    ("http", "invoke"): Parameters(("ApiEndpoint", "Method")),
    ("codebuild", "startBuild"): Parameters(("ProjectName",)),
}
"""What a definition must give, and may give, where it writes the parameters down."""


def has_pattern(service: str, action: str, pattern: str) -> bool:
    """Whether an optimized service has this action with this pattern ("" is request-response)."""
    return pattern in PATTERNS.get(service, {}).get(action, ())
