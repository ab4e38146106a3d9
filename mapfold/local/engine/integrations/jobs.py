"""The table of `.sync`: how the end of each action's job is found out, and what the task's result is then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Ask = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
"""(the parameters of the call that began the job, its answer) -> the parameters of another call about it."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """`describe` with `ask`'s parameters gives the job, whose `status` is at that path of the answer.

    `shown` is the path of the task's result in what was described, by Step Functions' names; `wrap` the member that it
    is shown in, `beside` what stands beside it. `is_well` looks once more at a job with a good status. `ends_gone`: the job has succeeded, too, when what
    it is about is not to be found any more. `stop` calls it off when nobody waits for it any more.
    """

    describe: str
    ask: Ask
    status: Path
    good: frozenset[str]
    bad: frozenset[str]
    shown: Path = ()
    wrap: str | None = None
    beside: Ask | None = None
    is_well: Callable[[Any], bool] | None = None
    ends_gone: bool = False
    stop: tuple[str, Ask] | None = None


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _sent(**members: str) -> Ask:
    """Parameters that the first call had, under the names that the second has for them."""
    return lambda params, answer: {name: params[member] for name, member in members.items() if member in params}


def _answered(**members: str) -> Ask:
    """Members of the first call's answer."""
    return lambda params, answer: {name: answer[member] for name, member in members.items()}


def _both(first: Ask, second: Ask) -> Ask:
    return lambda params, answer: {**first(params, answer), **second(params, answer)}


def _sagemaker(kind: str) -> Job:
    name = f"{kind}Name"
    return Job(
        f"describe{kind}",
        _sent(**{name: name}),
        (f"{kind}Status",),
        _names("Completed"),
        _names("Failed Stopped"),
        stop=(f"stop{kind}", _sent(**{name: name})),
    )


def _serverless_application(state: str, *, gone: bool = False) -> Job:
    ask = _both(_sent(applicationId="applicationId"), lambda params, answer: _known(answer, "applicationId"))
    return Job("getApplication", ask, ("application", "state"), _names(state), _names("TERMINATED"), ends_gone=gone)


def _known(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: answer[name]} if name in answer else {}


def _eks(action: str, ask: Ask, member: str, *, gone: bool = False) -> Job:
    bad = _names("CREATE_FAILED DELETE_FAILED FAILED DEGRADED")
    return Job(action, ask, (member, "status"), frozenset() if gone else _names("ACTIVE"), bad, ends_gone=gone)


def _ecs_is_well(task: Any) -> bool:
    """Every container of the task that has run came to a good end."""
    containers = task.get("Containers") or ()
    return all(container.get("ExitCode", 0) == 0 for container in containers) and bool(containers)


_ECS_TASK: Ask = lambda params, answer: {
    **({"cluster": params["cluster"]} if "cluster" in params else {}),
    "tasks": [task["taskArn"] for task in answer["tasks"]],
}
_NODEGROUP = _sent(clusterName="clusterName", nodegroupName="nodegroupName")
_PROFILE = _sent(clusterName="clusterName", fargateProfileName="fargateProfileName")
_SERVERLESS_RUN = _both(_sent(applicationId="applicationId"), _answered(jobRunId="jobRunId"))
_CONTAINERS_RUN = _answered(id="id", virtualClusterId="virtualClusterId")
_CLUSTER_GONE = _names("TERMINATED TERMINATED_WITH_ERRORS")

_BUILD_BATCH = Job(
    "batchGetBuildBatches",
    lambda params, answer: {"ids": [answer["buildBatch"]["id"]]},
    ("buildBatches", 0, "buildBatchStatus"),
    _names("SUCCEEDED"),
    _names("FAILED FAULT TIMED_OUT STOPPED"),
    shown=("BuildBatches", 0),
    wrap="BuildBatch",
    stop=("stopBuildBatch", lambda params, answer: {"id": answer["buildBatch"]["id"]}),
)

JOBS: Mapping[tuple[str, str], Job] = {
    ("batch", "submitJob"): Job(
        "describeJobs",
        lambda params, answer: {"jobs": [answer["jobId"]]},
        ("jobs", 0, "status"),
        _names("SUCCEEDED"),
        _names("FAILED"),
        shown=("Jobs", 0),
        stop=("terminateJob", lambda params, answer: {"jobId": answer["jobId"], "reason": "The task was stopped"}),
    ),
    ("ecs", "runTask"): Job(
        "describeTasks",
        _ECS_TASK,
        ("tasks", 0, "lastStatus"),
        _names("STOPPED DELETED"),
        frozenset(),
        shown=("Tasks", 0),
        is_well=_ecs_is_well,
        stop=(
            "stopTask",
            lambda params, answer: {**_sent(cluster="cluster")(params, answer), "task": answer["tasks"][0]["taskArn"]},
        ),
    ),
    ("glue", "startJobRun"): Job(
        "getJobRun",
        _both(_sent(JobName="JobName"), _answered(RunId="JobRunId")),
        ("JobRun", "JobRunState"),
        _names("SUCCEEDED"),
        _names("FAILED STOPPED TIMEOUT ERROR EXPIRED"),
        shown=("JobRun",),
        stop=(
            "batchStopJobRun",
            lambda params, answer: {"JobName": params["JobName"], "JobRunIds": [answer["JobRunId"]]},
        ),
    ),
    ("athena", "startQueryExecution"): Job(
        "getQueryExecution",
        _answered(QueryExecutionId="QueryExecutionId"),
        ("QueryExecution", "Status", "State"),
        _names("SUCCEEDED"),
        _names("FAILED CANCELLED"),
        stop=("stopQueryExecution", _answered(QueryExecutionId="QueryExecutionId")),
    ),
    ("elasticmapreduce", "createCluster"): Job(
        "describeCluster",
        _answered(ClusterId="JobFlowId"),
        ("Cluster", "Status", "State"),
        _names("RUNNING WAITING"),
        _CLUSTER_GONE,
        beside=_answered(ClusterId="JobFlowId"),
        stop=("terminateJobFlows", lambda params, answer: {"JobFlowIds": [answer["JobFlowId"]]}),
    ),
    ("elasticmapreduce", "terminateCluster"): Job(
        "describeCluster",
        lambda params, answer: {"ClusterId": params["JobFlowIds"][0]},
        ("Cluster", "Status", "State"),
        _CLUSTER_GONE,
        frozenset(),
    ),
    ("elasticmapreduce", "addStep"): Job(
        "describeStep",
        lambda params, answer: {"ClusterId": params["JobFlowId"], "StepId": answer["StepIds"][0]},
        ("Step", "Status", "State"),
        _names("COMPLETED"),
        _names("CANCELLED FAILED INTERRUPTED"),
    ),
    ("emr-containers", "deleteVirtualCluster"): Job(
        "describeVirtualCluster",
        _sent(id="id"),
        ("virtualCluster", "state"),
        _names("TERMINATED"),
        _names("ARRESTED"),
        ends_gone=True,
    ),
    ("emr-containers", "startJobRun"): Job(
        "describeJobRun",
        _CONTAINERS_RUN,
        ("jobRun", "state"),
        _names("COMPLETED"),
        _names("FAILED CANCELLED"),
        stop=("cancelJobRun", _CONTAINERS_RUN),
    ),
    ("emr-serverless", "createApplication"): _serverless_application("CREATED STARTED"),
    ("emr-serverless", "startApplication"): _serverless_application("STARTED"),
    ("emr-serverless", "stopApplication"): _serverless_application("STOPPED"),
    ("emr-serverless", "deleteApplication"): _serverless_application("TERMINATED", gone=True),
    ("emr-serverless", "cancelJobRun"): Job(
        "getJobRun",
        _sent(applicationId="applicationId", jobRunId="jobRunId"),
        ("jobRun", "state"),
        _names("CANCELLED SUCCESS FAILED"),
        frozenset(),
    ),
    ("emr-serverless", "startJobRun"): Job(
        "getJobRun",
        _SERVERLESS_RUN,
        ("jobRun", "state"),
        _names("SUCCESS"),
        _names("FAILED CANCELLED"),
        stop=("cancelJobRun", _SERVERLESS_RUN),
    ),
    ("codebuild", "startBuild"): Job(
        "batchGetBuilds",
        lambda params, answer: {"ids": [answer["build"]["id"]]},
        ("builds", 0, "buildStatus"),
        _names("SUCCEEDED"),
        _names("FAILED FAULT TIMED_OUT STOPPED"),
        shown=("Builds", 0),
        wrap="Build",
        stop=("stopBuild", lambda params, answer: {"id": answer["build"]["id"]}),
    ),
    ("codebuild", "startBuildBatch"): _BUILD_BATCH,
    ("codebuild", "retryBuildBatch"): _BUILD_BATCH,
    ("sagemaker", "createHyperParameterTuningJob"): _sagemaker("HyperParameterTuningJob"),
    ("sagemaker", "createLabelingJob"): _sagemaker("LabelingJob"),
    ("sagemaker", "createProcessingJob"): _sagemaker("ProcessingJob"),
    ("sagemaker", "createTrainingJob"): _sagemaker("TrainingJob"),
    ("sagemaker", "createTransformJob"): _sagemaker("TransformJob"),
    ("eks", "createCluster"): _eks("describeCluster", _sent(name="name"), "cluster"),
    ("eks", "deleteCluster"): _eks("describeCluster", _sent(name="name"), "cluster", gone=True),
    ("eks", "createNodegroup"): _eks("describeNodegroup", _NODEGROUP, "nodegroup"),
    ("eks", "deleteNodegroup"): _eks("describeNodegroup", _NODEGROUP, "nodegroup", gone=True),
    ("eks", "createFargateProfile"): _eks("describeFargateProfile", _PROFILE, "fargateProfile"),
    ("eks", "deleteFargateProfile"): _eks("describeFargateProfile", _PROFILE, "fargateProfile", gone=True),
    ("bedrock", "createModelCustomizationJob"): Job(
        "getModelCustomizationJob",
        _answered(jobIdentifier="jobArn"),
        ("status",),
        _names("Completed"),
        _names("Failed Stopped"),
        stop=("stopModelCustomizationJob", _answered(jobIdentifier="jobArn")),
    ),
    ("databrew", "startJobRun"): Job(
        "describeJobRun",
        _both(_sent(Name="Name"), _answered(RunId="RunId")),
        ("State",),
        _names("SUCCEEDED"),
        _names("FAILED STOPPED TIMEOUT"),
        stop=("stopJobRun", _both(_sent(Name="Name"), _answered(RunId="RunId"))),
    ),
    ("mediaconvert", "createJob"): Job(
        "getJob",
        lambda params, answer: {"Id": answer["Job"]["Id"]},
        ("Job", "Status"),
        _names("COMPLETE"),
        _names("ERROR CANCELED"),
        stop=("cancelJob", lambda params, answer: {"Id": answer["Job"]["Id"]}),
    ),
}
"""By the service and action of the Resource."""
