"""What Tasks call, on one real `mapfold local`: moto's services, and executions of its own."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.embedded import EmbeddedAws, session, until_ended
from tests.integration.embedded.server import ROLE

SOURCE = "mapfold.test"


def client(aws: EmbeddedAws, service: str) -> Any:
    """boto3's client of one of moto's services."""
    any_service: Any = session()  # its stubs want each service's name written out
    return any_service.client(service, endpoint_url=aws.environment["AWS_ENDPOINT_URL"])


def task(resource: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A Task in JSONata, which ends its branch."""
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Arguments": arguments, "End": True}


def run(aws: EmbeddedAws, name: str, tasks: dict[str, dict[str, Any]]) -> list[Any]:
    """The results of tasks that run in parallel, one a branch."""
    branches = [{"StartAt": task_name, "States": {task_name: state}} for task_name, state in tasks.items()]
    states = {"All": {"Type": "Parallel", "Branches": branches, "End": True}}
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "All", "States": states})
    machine = aws.stepfunctions.create_state_machine(name=name, roleArn=ROLE, definition=definition)
    execution = aws.stepfunctions.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]
    assert until_ended(aws.stepfunctions, execution) == "SUCCEEDED", aws.stepfunctions.get_execution_history(
        executionArn=execution, reverseOrder=True
    )
    results: list[Any] = json.loads(aws.stepfunctions.describe_execution(executionArn=execution)["output"])
    return results


def test_tasks_reach_motos_services_and_executions_of_ours(embedded_aws: EmbeddedAws) -> None:
    """
    A message in a queue, one by way of a topic, an event by way of a rule, an item, an object, and a nested execution:
    each task's call has done what the service does.
    """
    aws = embedded_aws
    sqs, sns, events, s3 = (client(aws, name) for name in ("sqs", "sns", "events", "s3"))
    queue = sqs.create_queue(QueueName="tasks")["QueueUrl"]
    queue_arn = "arn:aws:sqs:us-east-1:123456789012:tasks"
    topic = sns.create_topic(Name="tasks")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"})
    events.put_rule(Name="tasks", EventPattern=json.dumps({"source": [SOURCE]}))
    events.put_targets(Rule="tasks", Targets=[{"Id": "queue", "Arn": queue_arn}])
    s3.create_bucket(Bucket="tasks-bucket")
    client(aws, "dynamodb").create_table(
        TableName="tasks",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    child = aws.stepfunctions.create_state_machine(
        name="tasks-child",
        roleArn=ROLE,
        definition='{"StartAt":"Same","States":{"Same":{"Type":"Pass","End":true}}}',
    )["stateMachineArn"]

    sent, published, put, _, _, nested = run(
        aws,
        "tasks",
        {
            "Send": task("sqs:sendMessage", {"QueueUrl": queue, "MessageBody": {"by": "sqs"}}),
            "Publish": task("sns:publish", {"TopicArn": topic, "Message": {"by": "sns"}}),
            "Put": task(
                "events:putEvents", {"Entries": [{"Source": SOURCE, "DetailType": "t", "Detail": {"by": "events"}}]}
            ),
            "Item": task("dynamodb:putItem", {"TableName": "tasks", "Item": {"id": {"S": "1"}, "yes": {"BOOL": True}}}),
            "Object": task("aws-sdk:s3:putObject", {"Bucket": "tasks-bucket", "Key": "k", "Body": {"by": "s3"}}),
            "Nested": task("states:startExecution.sync:2", {"StateMachineArn": child, "Input": {"a": 1}}),
        },
    )
    read, item, listed = run(
        aws,
        "tasks-read",
        {
            "Read": task("aws-sdk:s3:getObject", {"Bucket": "tasks-bucket", "Key": "k"}),
            "Item": task("aws-sdk:dynamodb:getItem", {"TableName": "tasks", "Key": {"id": {"S": "1"}}}),
            "List": task("aws-sdk:s3:listObjectsV2", {"Bucket": "tasks-bucket"}),
        },
    )

    received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    bodies = [json.loads(message["Body"]) for message in received]
    assert sent["MessageId"] in {message["MessageId"] for message in received}
    assert published["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert put["FailedEntryCount"] == 0
    assert {body.get("by") or body["detail"]["by"] for body in bodies} == {"sqs", "sns", "events"}
    (event,) = [body for body in bodies if "detail" in body]
    assert [arn.rpartition(":")[2] for arn in event["resources"]][1] == "tasks"
    assert (nested["Status"], nested["Output"]) == ("SUCCEEDED", {"a": 1})
    assert json.loads(read["Body"]) == {"by": "s3"}
    assert item["Item"] == {"id": {"S": "1"}, "yes": {"Bool": True}}
    assert "EncodingType" not in listed
    assert [found["Key"] for found in listed["Contents"]] == ["k"]
