"""The watch: every five minutes a function looks for runs that are running and says how old the oldest is.

Step Functions has no metric for it. `tasks/watch.py` sends `OldestRunSeconds` by job, and the alarm is on that.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

EVERY = Duration.minutes(5)


class Watch(Construct):
    """Invokes `watch` on a schedule; only this rule may. `rule`."""

    def __init__(self, scope: Construct, id_: str, *, watch: lambda_.IFunction) -> None:
        super().__init__(scope, id_)
        self.rule = events.CfnRule(
            self,
            "Rule",
            description="Look for the oldest run that is running",
            schedule_expression=events.Schedule.rate(EVERY).expression_string,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Watch",
                    arn=watch.function_arn,
                    # The next look is five minutes away: an old one is not worth trying again.
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=int(EVERY.to_seconds()), maximum_retry_attempts=2
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=watch.function_arn,
            principal="events.amazonaws.com",
            source_arn=self.rule.attr_arn,
        )
