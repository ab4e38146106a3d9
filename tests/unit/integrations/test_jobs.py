"""`.sync`: jobs are begun, followed and shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.engine.world import World
from tests.unit.integrations.fakes import FakeClients, refused
from tests.unit.integrations.tasks import call, middle, output_of


def in_turn(*answers: Any) -> Any:
    """Each call gets the next of the answers."""
    left = list(answers)
    return lambda **params: left.pop(0)


class TestFollowing:
    async def test_a_job_is_the_result_when_it_has_succeeded(self, world: World, clients: FakeClients) -> None:
        """Scheduled, Started, Submitted with the answer, its metadata and the JobName, Succeeded with the job alone."""
        clients.answer("glue", "StartJobRun", {"JobRunId": "r"})
        running, done = ({"JobRun": {"Id": "r", "JobRunState": state}} for state in ("RUNNING", "SUCCEEDED"))
        clients.answer("glue", "GetJobRun", in_turn(running, done))

        ended = await world.run(call("glue:startJobRun.sync", {"JobName": "j"}))

        assert middle(ended) == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert ended.details("TaskSubmitted")["resource"] == "startJobRun.sync"
        submitted = output_of(ended, "TaskSubmitted")
        assert list(submitted) == ["JobRunId", "SdkHttpMetadata", "SdkResponseMetadata", "JobName"]
        assert submitted["JobName"] == "j"
        assert ended.output == {"Id": "r", "JobRunState": "SUCCEEDED"}
        assert clients.sent("GetJobRun") == [{"JobName": "j", "RunId": "r"}] * 2

    async def test_a_job_that_fails_is_the_cause(self, world: World, clients: FakeClients) -> None:
        """States.TaskFailed, with the job as JSON text; dates are milliseconds, as all in it is named."""
        clients.answer("batch", "SubmitJob", {"jobId": "1", "jobName": "j", "jobArn": "a"})
        job = {"jobId": "1", "status": "FAILED", "statusReason": "no", "stoppedAt": 5}
        clients.answer("batch", "DescribeJobs", {"jobs": [job]})
        arguments = {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}

        ended = await world.run(call("batch:submitJob.sync", arguments))

        details = ended.details("TaskFailed")
        assert details["error"] == "States.TaskFailed"
        assert json.loads(details["cause"]) == {
            "JobId": "1",
            "Status": "FAILED",
            "StatusReason": "no",
            "StoppedAt": 5,
        }

    async def test_containers_of_batch_are_told_who_has_started_them(self, world: World, clients: FakeClients) -> None:
        """MANAGED_BY_AWS is added to their environment."""
        clients.answer("batch", "SubmitJob", {"jobId": "1", "jobName": "j"})
        environment = {"Environment": [{"Name": "A", "Value": "1"}]}
        arguments = {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "ContainerOverrides": environment}

        await world.run(call("batch:submitJob", arguments))

        assert clients.sent("SubmitJob")[0]["containerOverrides"]["environment"] == [
            {"name": "A", "value": "1"},
            {"name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS"},
        ]

    async def test_a_job_that_is_not_accepted_fails_in_submission(self, world: World, clients: FakeClients) -> None:
        """TaskSubmitFailed in place of TaskFailed; it is caught as any."""
        clients.answer("glue", "StartJobRun", refused("EntityNotFoundException"))
        catch = [{"ErrorEquals": ["Glue.EntityNotFoundException"], "Next": "After"}]
        states = call("glue:startJobRun.sync", {"JobName": "j"}, Catch=catch)

        ended = await world.run({**states, "After": {"Type": "Pass", "End": True}})

        assert ended.details("TaskSubmitFailed")["error"] == "Glue.EntityNotFoundException"
        assert "TaskFailed" not in ended.types
        assert ended.row.status == "SUCCEEDED"

    @pytest.mark.parametrize(("code", "ends"), [(0, "SUCCEEDED"), (3, "FAILED")])
    async def test_a_task_of_ecs_succeeds_if_its_containers_do(
        self, world: World, clients: FakeClients, code: int, ends: str
    ) -> None:
        """It is STOPPED in any case: their exit codes tell. ECS is told who has started it."""
        clients.answer("ecs", "RunTask", {"tasks": [{"taskArn": "t"}], "failures": []})
        stopped = {"taskArn": "t", "lastStatus": "STOPPED", "containers": [{"exitCode": code}]}
        clients.answer("ecs", "DescribeTasks", {"tasks": [stopped]})

        ended = await world.run(call("ecs:runTask.sync", {"TaskDefinition": "d", "Cluster": "c"}))

        assert ended.row.status == ends
        assert clients.sent("RunTask") == [{"startedBy": "AWS Step Functions", "taskDefinition": "d", "cluster": "c"}]
        assert clients.sent("DescribeTasks") == [{"cluster": "c", "tasks": ["t"]}]

    async def test_a_cluster_is_shown_with_its_id(self, world: World, clients: FakeClients) -> None:
        """elasticmapreduce:createCluster speaks of a ClusterId, EMR's API of a JobFlowId."""
        clients.answer("emr", "RunJobFlow", {"JobFlowId": "j-1", "ClusterArn": "arn"})
        clients.answer("emr", "DescribeCluster", {"Cluster": {"Id": "j-1", "Status": {"State": "WAITING"}}})
        arguments = {"Name": "c", "Instances": {"KeepJobFlowAliveWhenNoSteps": True}}

        ended = await world.run(call("elasticmapreduce:createCluster.sync", arguments))

        assert output_of(ended, "TaskSubmitted")["ClusterId"] == "j-1"
        assert ended.output == {"Cluster": {"Id": "j-1", "Status": {"State": "WAITING"}}, "ClusterId": "j-1"}

    async def test_a_step_is_added_to_a_cluster(self, world: World, clients: FakeClients) -> None:
        """One Step of a ClusterId, where the API takes a list of a JobFlowId."""
        clients.answer("emr", "AddJobFlowSteps", {"StepIds": ["s-1"]})
        step = {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar"}}

        ended = await world.run(call("elasticmapreduce:addStep", {"ClusterId": "j-1", "Step": step}))

        assert clients.sent("AddJobFlowSteps") == [{"JobFlowId": "j-1", "Steps": [step]}]
        assert ended.output["StepId"] == "s-1"

    async def test_deleting_has_succeeded_when_it_is_gone(self, world: World, clients: FakeClients) -> None:
        """Nothing is found any more."""
        clients.answer("eks", "DeleteCluster", {"cluster": {"name": "c", "status": "DELETING"}})
        going = {"cluster": {"name": "c", "status": "DELETING"}}
        clients.answer("eks", "DescribeCluster", in_turn(going, refused("ResourceNotFoundException", status=404)))

        ended = await world.run(call("eks:deleteCluster.sync", {"Name": "c"}))

        assert ended.output["Cluster"] == {"Name": "c", "Status": "DELETING"}

    async def test_a_question_without_an_answer_is_asked_again(self, world: World, clients: FakeClients) -> None:
        """Throttling and faults of the service pass; a refusal does not."""
        clients.answer("athena", "StartQueryExecution", {"QueryExecutionId": "q"})
        done = {"QueryExecution": {"QueryExecutionId": "q", "Status": {"State": "SUCCEEDED"}}}
        clients.answer(
            "athena",
            "GetQueryExecution",
            in_turn(refused("ThrottlingException"), refused("InternalServerException", status=500), done),
        )

        ended = await world.run(call("athena:startQueryExecution.sync", {"QueryString": "select 1"}))

        assert ended.output == {"QueryExecution": {"QueryExecutionId": "q", "Status": {"State": "SUCCEEDED"}}}

    async def test_a_refused_question_fails_the_task(self, world: World, clients: FakeClients) -> None:
        """With its error, as any call's."""
        clients.answer("athena", "StartQueryExecution", {"QueryExecutionId": "q"})
        clients.answer("athena", "GetQueryExecution", refused("InvalidRequestException"))

        ended = await world.run(call("athena:startQueryExecution.sync", {"QueryString": "select 1"}))

        assert ended.details("TaskFailed")["error"] == "Athena.InvalidRequestException"

    async def test_the_job_of_a_task_that_is_stopped_is_stopped(self, world: World, clients: FakeClients) -> None:
        """By the call that the table names; nobody waits for its answer."""
        clients.answer("glue", "StartJobRun", {"JobRunId": "r"})
        clients.answer("glue", "GetJobRun", {"JobRun": {"JobRunState": "RUNNING"}})
        clients.answer("glue", "BatchStopJobRun", {})
        started = await world.start(call("glue:startJobRun.sync", {"JobName": "j"}))
        await world.until(lambda: bool(clients.sent("GetJobRun")))

        ended = await world.stop(started)

        await world.until(lambda: bool(clients.sent("BatchStopJobRun")))
        assert ended.row.status == "ABORTED"
        assert clients.sent("BatchStopJobRun") == [{"JobName": "j", "JobRunIds": ["r"]}]
