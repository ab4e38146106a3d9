"""The table of optimized integrations: which actions there are, with which patterns, and how their errors are written.

`.sync` jobs are followed by `mapfold.local.engine.integrations.jobs`. Not in it: `lambda`, `states`, `http` and
`apigateway`, whose modules are beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mapfold.local.engine.integrations.failures import OptimizedErrors
from mapfold.states.effects import Json

CALL = frozenset(("",))
CALL_OR_TOKEN = frozenset(("", "waitForTaskToken"))
CALL_OR_JOB = frozenset(("", "sync"))
ALL = frozenset(("", "sync", "waitForTaskToken"))

Adapt = Callable[[dict[str, Json]], dict[str, Json]]


@dataclass(frozen=True, slots=True)
class Action:
    """`operation` is in the manner of Resources (putItem), `service` as `aws-sdk:` names it.

    `only`: the fields that are taken, where they are fewer than the API's. `adapt` makes the API's fields of the task's,
    `renamed` the task's result of the API's. `told`: parameters that stand in the result again. `has_own_fields`: the task's are others than the API's.
    """

    service: str
    operation: str
    patterns: frozenset[str]
    only: frozenset[str] | None = None
    adapt: Adapt | None = None
    renamed: Adapt | None = None
    told: tuple[str, ...] = ()
    has_own_fields: bool = False


@dataclass(frozen=True, slots=True)
class OptimizedService:
    """One service. `has_parsed_body`: it is of the newer generation; a result's Body is JSON, and there is no metadata."""

    errors: OptimizedErrors
    actions: Mapping[str, Action]
    has_parsed_body: bool = False


def _actions(service: str, patterns: frozenset[str], *names: str) -> dict[str, Action]:
    return {name: Action(service, name, patterns) for name in names}


def _one_step(arguments: dict[str, Json]) -> dict[str, Json]:
    """elasticmapreduce:addStep has one Step, the API a list."""
    others: dict[str, Any] = {name: value for name, value in arguments.items() if name not in ("ClusterId", "Step")}
    if "ClusterId" in arguments:
        others["JobFlowId"] = arguments["ClusterId"]
    if "Step" in arguments:
        others["Steps"] = [arguments["Step"]]
    return others


def _one_cancelled_step(arguments: dict[str, Json]) -> dict[str, Json]:
    others: dict[str, Any] = {name: value for name, value in arguments.items() if name != "StepId"}
    return {**others, "StepIds": [arguments["StepId"]]} if "StepId" in arguments else others


def _one_cluster(arguments: dict[str, Json]) -> dict[str, Json]:
    others: dict[str, Any] = {name: value for name, value in arguments.items() if name != "ClusterId"}
    return {**others, "JobFlowIds": [arguments["ClusterId"]]} if "ClusterId" in arguments else others


def _new_cluster(result: dict[str, Json]) -> dict[str, Json]:
    others = {name: value for name, value in result.items() if name not in ("ClusterArn", "JobFlowId")}
    return {"ClusterId": result.get("JobFlowId"), **others}


def _new_step(result: dict[str, Json]) -> dict[str, Json]:
    """The API answers with a list of the one step."""
    others = {name: value for name, value in result.items() if name != "StepIds"}
    return {**others, "StepId": (result.get("StepIds") or [None])[0]}


def _marked_job(arguments: dict[str, Json]) -> dict[str, Json]:
    """Containers of a Batch job are told that Step Functions has started them."""
    overrides = arguments.get("ContainerOverrides") or {}
    environment = overrides.get("Environment") if isinstance(overrides, dict) else None
    if not isinstance(overrides, dict) or not isinstance(environment, list | None):
        return arguments
    mark = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
    return {**arguments, "ContainerOverrides": {**overrides, "Environment": [*(environment or ()), mark]}}


def _signed_task(arguments: dict[str, Json]) -> dict[str, Json]:
    """Tasks of ECS say who has started them."""
    return {"StartedBy": "AWS Step Functions", **arguments}


OPTIMIZED_SERVICES: Mapping[str, OptimizedService] = {
    "dynamodb": OptimizedService(
        OptimizedErrors("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
        _actions("dynamodb", CALL, "getItem", "putItem", "updateItem", "deleteItem"),
    ),
    "sqs": OptimizedService(
        OptimizedErrors("SQS", "AmazonSQS", "AmazonSQSException"),
        {
            "sendMessage": Action(
                "sqs",
                "sendMessage",
                CALL_OR_TOKEN,
                frozenset(
                    (
                        "DelaySeconds",
                        "MessageAttributes",
                        "MessageBody",
                        "MessageDeduplicationId",
                        "MessageGroupId",
                        "QueueUrl",
                    )
                ),
            )
        },
    ),
    "sns": OptimizedService(
        OptimizedErrors("SNS", "AmazonSNS", "AmazonSNSException"),
        {
            "publish": Action(
                "sns",
                "publish",
                CALL_OR_TOKEN,
                frozenset(
                    (
                        "Message",
                        "MessageAttributes",
                        "MessageDeduplicationId",
                        "MessageGroupId",
                        "MessageStructure",
                        "PhoneNumber",
                        "Subject",
                        "TargetArn",
                        "TopicArn",
                    )
                ),
            )
        },
    ),
    "events": OptimizedService(
        OptimizedErrors("EventBridge", "AmazonEventBridge", "AmazonEventBridgeException"),
        {"putEvents": Action("eventbridge", "putEvents", CALL_OR_TOKEN, frozenset(("Entries",)))},
    ),
    "batch": OptimizedService(
        OptimizedErrors("Batch", "AWSBatch", "AWSBatchException"),
        {"submitJob": Action("batch", "submitJob", CALL_OR_JOB, adapt=_marked_job)},
    ),
    "ecs": OptimizedService(
        OptimizedErrors("ECS", "AmazonECS", "AmazonECSException"),
        {"runTask": Action("ecs", "runTask", ALL, adapt=_signed_task)},
    ),
    "glue": OptimizedService(
        OptimizedErrors("Glue", "AWSGlue", "AWSGlueException"),
        {"startJobRun": Action("glue", "startJobRun", CALL_OR_JOB, told=("JobName",))},
    ),
    "athena": OptimizedService(
        OptimizedErrors("Athena", "AmazonAthena", "AmazonAthenaException"),
        _actions("athena", CALL_OR_JOB, "startQueryExecution")
        | _actions("athena", CALL, "stopQueryExecution", "getQueryExecution", "getQueryResults"),
    ),
    "elasticmapreduce": OptimizedService(
        OptimizedErrors("ElasticMapReduce", "AmazonElasticMapReduce", "AmazonElasticMapReduceException"),
        {
            "createCluster": Action("emr", "runJobFlow", CALL_OR_JOB, renamed=_new_cluster),
            "terminateCluster": Action(
                "emr", "terminateJobFlows", CALL_OR_JOB, adapt=_one_cluster, has_own_fields=True
            ),
            "addStep": Action(
                "emr", "addJobFlowSteps", CALL_OR_JOB, adapt=_one_step, renamed=_new_step, has_own_fields=True
            ),
            "setClusterTerminationProtection": Action(
                "emr", "setTerminationProtection", CALL, adapt=_one_cluster, has_own_fields=True
            ),
            "cancelStep": Action("emr", "cancelSteps", CALL, adapt=_one_cancelled_step, has_own_fields=True),
        },
    ),
    "emr-containers": OptimizedService(
        OptimizedErrors("EMRContainers", "AmazonEMRContainers", "AmazonEMRContainersException"),
        _actions("emrcontainers", CALL, "createVirtualCluster")
        | _actions("emrcontainers", CALL_OR_JOB, "deleteVirtualCluster", "startJobRun"),
    ),
    "emr-serverless": OptimizedService(
        OptimizedErrors("EmrServerless", "EmrServerless", "EmrServerlessException"),
        _actions(
            "emrserverless",
            CALL_OR_JOB,
            "createApplication",
            "deleteApplication",
            "startApplication",
            "startJobRun",
            "stopApplication",
            "cancelJobRun",
        ),
    ),
    "codebuild": OptimizedService(
        OptimizedErrors("CodeBuild", "AWSCodeBuild", "AWSCodeBuildException"),
        _actions("codebuild", CALL_OR_JOB, "startBuild", "startBuildBatch", "retryBuildBatch")
        | _actions("codebuild", CALL, "stopBuild", "stopBuildBatch", "deleteBuildBatch")
        | _actions("codebuild", CALL, "batchDeleteBuilds", "batchGetReports"),
    ),
    "sagemaker": OptimizedService(
        OptimizedErrors("SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
        _actions(
            "sagemaker",
            CALL_OR_JOB,
            "createHyperParameterTuningJob",
            "createLabelingJob",
            "createProcessingJob",
            "createTrainingJob",
            "createTransformJob",
        )
        | _actions("sagemaker", CALL, "createEndpoint", "createEndpointConfig", "createModel", "updateEndpoint"),
    ),
    "eks": OptimizedService(
        OptimizedErrors("EKS", "AmazonEKS", "AmazonEKSException"),
        _actions(
            "eks",
            CALL_OR_JOB,
            "createCluster",
            "createFargateProfile",
            "createNodegroup",
            "deleteCluster",
            "deleteFargateProfile",
            "deleteNodegroup",
        ),
    ),
    "bedrock": OptimizedService(
        OptimizedErrors("Bedrock", "AmazonBedrock", "BedrockException"),
        {
            "invokeModel": Action("bedrockruntime", "invokeModel", CALL_OR_TOKEN, has_own_fields=True),
            "createModelCustomizationJob": Action("bedrock", "createModelCustomizationJob", CALL_OR_JOB),
        },
        has_parsed_body=True,
    ),
    "databrew": OptimizedService(
        OptimizedErrors("DataBrew", "AWSGlueDataBrew", "AWSGlueDataBrewException"),
        _actions("databrew", CALL_OR_JOB, "startJobRun"),
    ),
    "mediaconvert": OptimizedService(
        OptimizedErrors("MediaConvert", "AWSMediaConvert", "AWSMediaConvertException"),
        _actions("mediaconvert", CALL_OR_JOB, "createJob"),
    ),
}
"""By the service of `arn:aws:states:::<service>:<action>`."""
