"""The schedule of the function `watch`."""

from __future__ import annotations

from aws_cdk.assertions import Template

from infra.watch import Watch
from tests.infra.building import empty_stack, function, only, resources, template_of


def synthesized() -> Template:
    stack = empty_stack()
    Watch(stack, "Watch", watch=function(stack, "Function"))
    return template_of(stack)


def test_the_function_is_called_every_five_minutes_by_its_rule_alone() -> None:
    """EventBridge may invoke the function if it is this rule that does."""
    template = synthesized()

    (rule,) = resources(template, "AWS::Events::Rule")
    permission = only(template, "AWS::Lambda::Permission")

    assert only(template, "AWS::Events::Rule")["ScheduleExpression"] == "rate(5 minutes)"
    assert permission["Principal"] == "events.amazonaws.com"
    assert permission["SourceArn"] == {"Fn::GetAtt": [rule, "Arn"]}


def test_a_look_that_is_late_is_not_made_up_for() -> None:
    """An event that is five minutes old is dropped: the next look is due."""
    (target,) = only(synthesized(), "AWS::Events::Rule")["Targets"]

    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 300
