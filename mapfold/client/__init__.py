"""Deploy, start, follow, inspect, redrive and stop runs by plain boto3: the same against AWS and the embedded one.

`AwsClient(target)` (aws.py) is the only one that knows botocore. Everything else is functions that take it, through a
small Protocol that says which of its methods they use, and give values back:

    aws = AwsClient(local_target(service_url="http://127.0.0.1:8083", aws_url="http://127.0.0.1:8084", environment={}))
    run = start(aws, "flight-delays", source={…}, params={}, name=new_run_id("flight-delays"))
    result = outcome(aws, follow(aws, run.execution_arn, Unheard(), pace=LOCAL_PACE)).result
"""

from mapfold.client.aws import AwsClient
from mapfold.client.deploy import Change, Deployment, carry_out, plan_deployment, source_digest, substitutions
from mapfold.client.errors import (
    NoResult,
    NotDeployed,
    NotRedrivable,
    NotRetryable,
    OtherRunExists,
    RetriedAlready,
    RunEnded,
    RunNameTaken,
    UnknownRun,
    Unreachable,
)
from mapfold.client.failures import Failure, failure_entries, failures
from mapfold.client.follow import AWS_PACE, LOCAL_PACE, Pace, Progress, Unheard, Watcher, follow, look
from mapfold.client.history import (
    Child,
    EventLine,
    ExecutionNode,
    MapRunNode,
    StateNode,
    all_events,
    child_entries,
    children,
    event_entries,
    history,
)
from mapfold.client.outcome import Items, Outcome, Retried, outcome
from mapfold.client.pages import BadToken, fill, seal, unseal
from mapfold.client.redrive import check_redrivable, redrive
from mapfold.client.result import StoredResult, stored_result
from mapfold.client.retry import (
    check_any,
    check_retryable,
    find_list,
    selected_failures,
    start_from_outside,
    start_retry,
)
from mapfold.client.runs import (
    RunSummary,
    RunView,
    add_lineages,
    check_running,
    find_machine,
    find_run,
    oldest_running,
    run_entries,
    runs,
    show,
    stop,
    view,
)
from mapfold.client.stack import DEFAULT_STACK, stack_target
from mapfold.client.standing import OpenState, Standing, standing
from mapfold.client.start import Run, check_run_name, new_run_id, start, start_once
from mapfold.client.target import Target, aws_target, elsewhere, environment_target, lambda_target, local_target
from mapfold.client.values import Lineage, Status

__all__ = [
    "AWS_PACE",
    "DEFAULT_STACK",
    "LOCAL_PACE",
    "AwsClient",
    "BadToken",
    "Change",
    "Child",
    "Deployment",
    "EventLine",
    "ExecutionNode",
    "Failure",
    "Items",
    "Lineage",
    "MapRunNode",
    "NoResult",
    "NotDeployed",
    "NotRedrivable",
    "NotRetryable",
    "OpenState",
    "OtherRunExists",
    "Outcome",
    "Pace",
    "Progress",
    "Retried",
    "RetriedAlready",
    "Run",
    "RunEnded",
    "RunNameTaken",
    "RunSummary",
    "RunView",
    "Standing",
    "StateNode",
    "Status",
    "StoredResult",
    "Target",
    "Unheard",
    "UnknownRun",
    "Unreachable",
    "Watcher",
    "add_lineages",
    "all_events",
    "aws_target",
    "carry_out",
    "check_any",
    "check_redrivable",
    "check_retryable",
    "check_run_name",
    "check_running",
    "child_entries",
    "children",
    "elsewhere",
    "environment_target",
    "event_entries",
    "failure_entries",
    "failures",
    "fill",
    "find_list",
    "find_machine",
    "find_run",
    "follow",
    "history",
    "lambda_target",
    "local_target",
    "look",
    "new_run_id",
    "oldest_running",
    "outcome",
    "plan_deployment",
    "redrive",
    "run_entries",
    "runs",
    "seal",
    "selected_failures",
    "show",
    "source_digest",
    "stack_target",
    "standing",
    "start",
    "start_from_outside",
    "start_once",
    "start_retry",
    "stop",
    "stored_result",
    "substitutions",
    "unseal",
    "view",
]
