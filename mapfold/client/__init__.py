"""Deploy, start, follow, inspect, redrive and stop runs by plain boto3: the same against AWS and the embedded one.

`AwsClient(target)` (aws.py) is the only one that knows botocore. Everything else is functions that take it, through a
small Protocol that says which of its methods they use, and give values back:

    aws = AwsClient(local_target(service_url="http://127.0.0.1:8083", aws_url="http://127.0.0.1:8084", environment={}))
    run = start(aws, "flight-delays", source={…}, params={}, name=new_run_id("flight-delays"))
    result = outcome(aws, follow(aws, run.execution_arn, Unheard(), pace=LOCAL_PACE)).result
"""

from mapfold.client.aws import AwsClient
from mapfold.client.deploy import Change, Deployment, carry_out, plan_deployment, source_digest, substitutions
from mapfold.client.errors import NotDeployed, NotRedrivable, RunNameTaken, UnknownRun, Unreachable
from mapfold.client.failures import Failure, failures
from mapfold.client.follow import AWS_PACE, LOCAL_PACE, Pace, Progress, Unheard, Watcher, follow
from mapfold.client.history import Child, EventLine, ExecutionNode, MapRunNode, StateNode, all_events, children, history
from mapfold.client.outcome import Items, Outcome, outcome
from mapfold.client.redrive import check_redrivable, redrive
from mapfold.client.runs import RunSummary, RunView, find_run, runs, show, stop
from mapfold.client.stack import DEFAULT_STACK, stack_target
from mapfold.client.start import Run, check_run_name, new_run_id, start
from mapfold.client.target import Target, aws_target, environment_target, lambda_target, local_target

__all__ = [
    "AWS_PACE",
    "DEFAULT_STACK",
    "LOCAL_PACE",
    "AwsClient",
    "Change",
    "Child",
    "Deployment",
    "EventLine",
    "ExecutionNode",
    "Failure",
    "Items",
    "MapRunNode",
    "NotDeployed",
    "NotRedrivable",
    "Outcome",
    "Pace",
    "Progress",
    "Run",
    "RunNameTaken",
    "RunSummary",
    "RunView",
    "StateNode",
    "Target",
    "Unheard",
    "UnknownRun",
    "Unreachable",
    "Watcher",
    "all_events",
    "aws_target",
    "carry_out",
    "check_redrivable",
    "check_run_name",
    "children",
    "environment_target",
    "failures",
    "find_run",
    "follow",
    "history",
    "lambda_target",
    "local_target",
    "new_run_id",
    "outcome",
    "plan_deployment",
    "redrive",
    "runs",
    "show",
    "source_digest",
    "stack_target",
    "start",
    "stop",
    "substitutions",
]
