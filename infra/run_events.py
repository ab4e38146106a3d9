"""A run's end is told: Step Functions' own event goes through EventBridge to an SNS topic, as a sentence for people.

The event itself is on the account's default bus for everybody: a rule of your own on `PATTERN`'s source and detail
type, with the state machines that you want, gets it whole (`docs/deploy.md`). Child executions of a Distributed Map
have another state machine ARN (`…/Map`), so that they are not told of.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

ENDS = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")

_FACTS = {
    "run": "$.detail.name",
    "status": "$.detail.status",
    "execution": "$.detail.executionArn",
    "error": "$.detail.error",
    "time": "$.time",
}
"""What the message takes from the event. Not the cause: a quote in it would make the message one that is not delivered."""

_MESSAGE = (
    "The run <run> has ended: <status>, at <time>.",
    "Error, where there was one: <error>",
    "Execution: <execution>",
    f"Look: https://{Aws.REGION}.console.aws.amazon.com/states/home?region={Aws.REGION}#/v2/executions/details/<execution>",
    "Or: mapfold show <run> --on aws --stack {stack}",
)


class RunEvents(Construct):
    """The end of each execution of `machines` (ARNs), whatever it was, to `topic`. `rule`."""

    def __init__(
        self, scope: Construct, id_: str, *, machines: Sequence[str], topic: sns.ITopic, stack_name: str
    ) -> None:
        super().__init__(scope, id_)
        self.rule = events.CfnRule(
            self,
            "Rule",
            description="The end of each run, told to the run events' topic",
            event_pattern={
                "source": ["aws.states"],
                "detail-type": ["Step Functions Execution Status Change"],
                "detail": {"status": list(ENDS), "stateMachineArn": list(machines)},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Topic",
                    arn=topic.topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map=_FACTS, input_template=_template(stack_name)
                    ),
                )
            ],
        )


def _template(stack_name: str) -> str:
    """Each line is a JSON string of its own: that is how EventBridge takes a text of several lines."""
    return "\n".join(f'"{line}"' for line in _MESSAGE).replace("{stack}", stack_name)
