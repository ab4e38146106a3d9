"""The HTTP API: start runs, look at them, stop, redrive and retry them.

Events are those of an API Gateway REST API (proxy integration). A route reads its request, calls one or two functions of
`mapfold.client`, and shapes the answer; the documents are those that `mapfold … --json` prints. What is wrong with a
request is told by `_api_errors`. GET /openapi.json describes it all.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, TypeVar, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.openapi.exceptions import ValidationException
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query

from mapfold import client
from mapfold.client import AwsClient, Status, UnknownRun
from mapfold.client.arns import execution_arn
from mapfold.client.documents import (
    child_document,
    event_document,
    head_document,
    progress_document,
    run_document,
    status_document,
    summary_document,
)
from mapfold.client.pages import Entry
from mapfold.client.values import Execution, Json
from mapfold.errors import MapfoldError, UsageError
from mapfold.runs.selection import parse_selection
from tasks import _api_models as models
from tasks._api_errors import Refusal, refusal
from tasks._api_openapi import answers, openapi
from tasks._client import client as warm_client
from tasks._json_text import read_json
from tasks._telemetry import observed

T = TypeVar("T")

BODY_BYTES = 65_536
"""Of a request's body: params of 32,768 bytes, a source and a name, with room for how they are written."""

logger = Logger(service="api")
app = APIGatewayRestResolver(enable_validation=True)

RunId = Annotated[str, Path(description="A run's name, as GET /runs lists it.")]
Token = Annotated[
    str | None, Query(alias="next", max_length=8_000, description="`next` of the page before; none for the first page.")
]
StatusFilter = Annotated[Status | None, Query(description="Only those of this status.")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many at most. A page of large ones is shorter.")]
FailureLimit = Annotated[int, Query(ge=1, le=1000, description="How many at most. A page of large ones is shorter.")]


@observed(logger)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """See the module."""
    return answer(event, context, warm_client(context))


def answer(event: dict[str, Any], context: Any, aws: AwsClient) -> dict[str, Any]:
    """The proxy response to a request. Whatever goes wrong is one: a fault of ours is logged, and 500."""
    facts = {"method": event.get("httpMethod"), "path": event.get("path")}
    try:
        request = {**_as_json(event), "body": _body(event), "isBase64Encoded": False}
        app.context["aws"] = aws
        answered: dict[str, Any] = app.resolve(request, cast(Any, context))
    except _BodyTooLarge as error:
        answered = _proxied(Refusal(413, "BodyTooLarge", str(error)))
    except _BadBody as error:
        answered = _proxied(Refusal(400, "BadRequest", f"the body cannot be read: {error}"))
    except Exception:  # one request's fault must not end as Lambda's own error, which says nothing to the caller
        logger.exception("request failed", extra=facts)
        request_id = getattr(context, "aws_request_id", "")
        answered = _proxied(Refusal(500, "InternalError", f"this is a fault of ours; in the logs it is {request_id}"))
    logger.info("answered", extra={**facts, "status": answered["statusCode"]})
    return answered


# --- jobs and runs -----------------------------------------------------------------------------------------------


@app.get("/jobs", summary="List the jobs", operation_id="listJobs", responses=answers(models.Jobs))
def list_jobs() -> Response[str]:
    """The jobs that are deployed, by name."""
    machines = sorted(_aws().state_machines(), key=lambda machine: machine.job)
    return _json({"jobs": [{"name": machine.job, "state_machine_arn": machine.arn} for machine in machines]})


@app.post(
    "/runs",
    summary="Start a run",
    description="Idempotent by `name`: if there is a run of that name with the same job, source and params, it is "
    "answered with 200 and nothing is started; if anything of them differs, the answer is 409. Whether the source can be "
    "read is seen when the run has started: if not, it fails with SourceError.",
    operation_id="startRun",
    responses=answers(
        models.RunStatus,
        404,
        409,
        413,
        415,
        said={201: "The run was started.", 200: "There is such a run already; nothing was started."},
    ),
)
def start_run(request: Annotated[models.StartRun, Body()]) -> Response[str]:
    """Start a run, or find the one that was started by this name."""
    aws = _aws()
    client.find_machine(aws, request.job)
    name = request.name or client.new_run_id(request.job)
    logger.append_keys(job=request.job, run=name)
    run, is_new = client.start_once(
        aws,
        request.job,
        source={"uri": request.source},
        params=request.params,
        name=name,
        is_chosen=request.name is not None,
    )
    logger.info("run started" if is_new else "run was there")
    existing = None if is_new else aws.find_execution(run.execution_arn)
    status = existing.status if existing else Status.RUNNING
    document = {"run_id": run.run_id, "status": str(status), "execution_arn": run.execution_arn}
    return _json(document, status=201 if is_new else 200)


@app.get(
    "/runs",
    summary="List the runs",
    description="Newest first, of all jobs or of one. With `job`, a page costs one call of Step Functions however far "
    "back it is.",
    operation_id="listRuns",
    responses=answers(models.Runs, 404),
)
def list_runs(
    job: Annotated[str | None, Query(description="Only the runs of this job.")] = None,
    status: StatusFilter = None,
    limit: Limit = 50,
    next_: Token = None,
) -> Response[str]:
    """A page of runs."""
    aws = _aws()
    machines = [client.find_machine(aws, job)] if job else list(aws.state_machines())
    question = ["runs", job, status]

    def entries(position: Json) -> Iterator[Entry[client.RunSummary]]:
        found = list(islice(client.run_entries(aws, machines, status=status, size=limit, position=position), limit))
        runs = client.add_lineages(aws, [run for run, _ in found])
        return zip(runs, (behind for _, behind in found), strict=True)

    return _page({}, "runs", question, entries, summary_document, limit=limit, token=next_)


@app.get(
    "/runs/<run>",
    summary="Show a run",
    description="Its status, its map runs and, where it has ended, its items, result, error and cause.",
    operation_id="showRun",
    responses=answers(models.Run, 404),
)
def show_run(run: RunId) -> Response[str]:
    """One run."""
    view = client.view(_aws(), _find(run))
    execution = view.execution
    ended = client.outcome(_aws(), execution, with_result=False) if execution.status.is_terminal else None
    return _json(run_document(view, ended))


@app.get(
    "/runs/<run>/progress",
    summary="Show how far a run is",
    description="By one look: items and batches of its map run, their mean rate, and the time that is left at it.",
    operation_id="showProgress",
    responses=answers(models.ProgressFacts, 404),
)
def show_progress(run: RunId) -> Response[str]:
    """How far a run is."""
    return _json(progress_document(client.look(_aws(), _find(run), now=time.time())))


@app.get(
    "/runs/<run>/failures",
    summary="List the items that failed",
    description="With their errors. A run that came to its end has listed them all in one file; of another, they are "
    "gathered from what its batches left. A page that takes long is shorter than its limit; it may be empty and have a "
    "`next`.",
    operation_id="listFailures",
    responses=answers(models.Failures, 404),
)
def list_failures(run: RunId, limit: FailureLimit = 100, next_: Token = None) -> Response[str]:
    """A page of failed items."""
    aws, execution = _aws(), _find(run)

    def entries(position: Json) -> Iterator[Entry[client.Failure | None]]:
        return client.failure_entries(aws, execution, position)

    head = {"run_id": execution.name}
    question = ["failures", execution.arn]
    return _page(head, "failures", question, entries, client.Failure.as_document, limit=limit, token=next_)


@app.get(
    "/runs/<run>/history",
    summary="List the events of a run",
    description="The history of its execution, oldest first. Those of its children are not in it.",
    operation_id="listEvents",
    responses=answers(models.History, 404),
)
def list_events(run: RunId, limit: FailureLimit = 100, next_: Token = None) -> Response[str]:
    """A page of events."""
    aws, execution = _aws(), _find(run)

    def entries(position: Json) -> Iterator[Entry[client.EventLine]]:
        return client.event_entries(aws, execution.arn, size=limit, position=position)

    question = ["history", execution.arn]
    return _page(head_document(execution), "events", question, entries, event_document, limit=limit, token=next_)


@app.get(
    "/runs/<run>/children",
    summary="List the child executions of a run",
    description="Those of its map runs, one map run after the other, each newest first. `error` and `cause` of those "
    "that ended badly cost a call each.",
    operation_id="listChildren",
    responses=answers(models.Children, 404),
)
def list_children(run: RunId, status: StatusFilter = None, limit: Limit = 50, next_: Token = None) -> Response[str]:
    """A page of child executions."""
    aws, execution = _aws(), _find(run)
    map_runs = aws.map_runs(execution.arn)

    def entries(position: Json) -> Iterator[Entry[client.Child]]:
        return client.child_entries(aws, map_runs, status=status, size=limit, position=position)

    head = {"run_id": execution.name}
    question = ["children", execution.arn, status]
    return _page(head, "children", question, entries, child_document, limit=limit, token=next_)


@app.get(
    "/runs/<run>/result",
    summary="Get the result of a run",
    description="Itself where it has at most 1,000,000 bytes, and a link to it in any case. A run that failed because "
    "too many items did has one too, of the others. While the run goes on, the answer is 409.",
    operation_id="getResult",
    responses=answers(models.Result, 404, 409),
)
def get_result(run: RunId) -> Response[str]:
    """The result, small or linked."""
    execution = _find(run)
    result = client.stored_result(_aws(), execution)
    return _json(
        {
            "run_id": execution.name,
            "status": str(execution.status),
            "result_uri": result.uri,
            "size": result.size,
            "is_inline": result.is_inline,
            "result": result.value,
            "url": result.url,
            "url_expires_seconds": result.url_seconds,
        }
    )


@app.post(
    "/runs/<run>/stop",
    summary="Stop a run",
    description="It ends as ABORTED, and its children with it. It can be redriven.",
    operation_id="stopRun",
    responses=answers(models.RunStatus, 404, 409),
)
def stop_run(run: RunId) -> Response[str]:
    """Stop a run that is running."""
    aws, execution = _aws(), _find(run)
    client.check_running(execution)
    client.stop(aws, execution.arn, cause="stopped through the API")
    logger.info("run stopped")
    return _json(status_document(aws.find_execution(execution.arn) or execution))


@app.post(
    "/runs/<run>/redrive",
    summary="Let a run go on",
    description="A run that was stopped or timed out goes on from where it stood; what has succeeded in it is kept. One "
    "that cannot is 409, with the reason.",
    operation_id="redriveRun",
    responses=answers(models.RunStatus, 404, 409),
)
def redrive_run(run: RunId) -> Response[str]:
    """Redrive a run."""
    aws, execution = _aws(), _find(run)
    client.check_redrivable(aws, execution)
    client.redrive(aws, execution)
    logger.info("run redriven")
    return _json(status_document(aws.find_execution(execution.arn) or execution))


@app.post(
    "/runs/<run>/retry",
    summary="Try the failed items of a run again",
    description="A new run of the same job over the failed items of one that has ended, with its source and params. Its "
    "result, counts and failures are those of both together. Idempotent by `name`, as POST /runs is. 409, with the reason, of "
    "a run that has not come to its end, of which no item failed, or that was retried already, unless `again`. Where `where` "
    "selects no item, the new run fails.",
    operation_id="retryRun",
    responses=answers(
        models.RunStatus,
        404,
        409,
        413,
        415,
        said={201: "The run was started.", 200: "There is such a run already; nothing was started."},
    ),
)
def retry_run(run: RunId, request: Annotated[models.RetryRun, Body()]) -> Response[str]:
    """Start a run over the failed items of another, or find the one that was started by this name."""
    aws, execution = _aws(), _find(run)
    job = aws.target.job_of(execution.state_machine_arn)
    name = request.name or client.new_run_id(job)
    started = execution_arn(execution.state_machine_arn, name)
    if aws.find_execution(started) is None:
        client.check_retryable(aws, execution, again=request.again)
    new, is_new = client.start_retry(
        aws,
        execution,
        parse_selection(request.where),
        name=name,
        again=request.again,
        is_chosen=request.name is not None,
    )
    logger.info("retry started" if is_new else "retry was there", extra={"retry": new.run_id})
    existing = None if is_new else aws.find_execution(new.execution_arn)
    status = existing.status if existing else Status.RUNNING
    document = {"run_id": new.run_id, "status": str(status), "execution_arn": new.execution_arn}
    return _json(document, status=201 if is_new else 200)


@app.get(
    "/openapi.json",
    summary="Describe this API",
    description="As an OpenAPI 3.1 document.",
    operation_id="describeApi",
    responses=answers(models.Description),
)
def describe_api() -> Response[str]:
    """This API in OpenAPI 3.1."""
    event = app.current_event
    called = event.request_context.path or event.path  # with the stage, or where else the API is served
    return _json(openapi(app, base=called.removesuffix(event.path) or "/"))


# --- how ---------------------------------------------------------------------------------------------------------


def refuse(error: Exception) -> Response[str]:
    """What was asked for cannot be."""
    refused = refusal(error, asked=models.RetryRun if _route_path().endswith("/retry") else models.StartRun)
    if refused is None:
        raise error
    if refused.status >= 500:
        logger.warning("refused", extra={"error": refused.error, "reason": refused.message})
    return _json(refused.as_document(), status=refused.status)


def _route_path() -> str:
    """The path of the request, without what the API is served under."""
    return str(app.current_event.path).rstrip("/")


def no_route(error: NotFoundError) -> Response[str]:
    """There is nothing at this method and path."""
    event = app.current_event
    message = f"there is no {event.http_method} {event.path}. GET /openapi.json lists what there is."
    return _json(Refusal(404, "UnknownRoute", message).as_document(), status=404)


def only_known_parameters(app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[Any]:
    """Refuse a query parameter that the route does not have: it was meant to do something."""
    known = [field.alias for field in app.context["_route"].dependant.query_params]
    if unknown := [name for name in app.current_event.query_string_parameters if name not in known]:
        allowed = f"there {'are' if known else 'is'} {', '.join(known) or 'none'}"
        raise UsageError(f"there is no query parameter {', '.join(map(repr, unknown))}: {allowed}.")
    return next_middleware(app)


app.exception_handler([MapfoldError, ValidationException])(refuse)
app.not_found(no_route)
app.use(middlewares=[only_known_parameters])


def _as_json(event: dict[str, Any]) -> dict[str, Any]:
    """The event, with a body that is said to be a form as JSON: `curl --data` says so of whatever it sends."""
    headers = dict(event.get("headers") or {})
    for name, value in headers.items():
        if name.lower() == "content-type" and str(value).startswith("application/x-www-form-urlencoded"):
            headers[name] = "application/json"
    return {**event, "headers": headers}


class _BodyTooLarge(Exception):
    """The request's body is larger than any that could be carried out."""


class _BadBody(Exception):
    """The request's body is no text, or a JSON that cannot be carried on."""


def _body(event: Mapping[str, Any]) -> str | None:
    """The body as a text. Whether it is JSON, and is one that fits, is seen by the route."""
    body: str | None = event.get("body")
    if not body:
        return body
    try:
        raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        _check_size(len(raw))
        text = raw.decode()
    except ValueError as error:
        raise _BadBody(f"it is no UTF-8 ({error})") from error
    try:
        read_json(text)
    except json.JSONDecodeError:
        pass  # the route says where, or that it is said to be something else
    except UsageError as error:
        raise _BadBody(str(error)) from error
    return text


def _check_size(size: int) -> None:
    if size > BODY_BYTES:
        raise _BodyTooLarge(
            f"the body has {size:,} bytes; at most {BODY_BYTES:,} are allowed. Put what is large into S3, and its URI into "
            "the params."
        )


def _aws() -> AwsClient:
    return cast(AwsClient, app.context["aws"])


def _find(run: str) -> Execution:
    """The execution of a run, by its name: not by an ARN, which could be of anything."""
    try:
        execution = client.find_run(_aws(), client.check_run_name(run))
    except UnknownRun:
        raise
    except UsageError as error:  # what cannot be a run's name is no run's
        raise UnknownRun(run, ()) from error
    logger.append_keys(run=execution.name)
    logger.append_keys(job=_aws().target.job_of(execution.state_machine_arn))
    return execution


def _page(
    head: dict[str, Json],
    name: str,
    question: Sequence[Json],
    entries: Callable[[Json], Iterator[Entry[T | None]]],
    document: Callable[[T], Json],
    *,
    limit: int,
    token: str | None,
) -> Response[str]:
    """A page of a list, with the token of the one behind it."""
    documents, position = client.fill(entries(client.unseal(token, question)), document, limit=limit)
    return _json({**head, name: documents, "next": client.seal(position, question)})


def _json(document: Json, *, status: int = 200) -> Response[str]:
    return Response(status_code=status, content_type="application/json", body=_text(document))


def _proxied(refused: Refusal) -> dict[str, Any]:
    headers = {"Content-Type": ["application/json"]}
    body = _text(refused.as_document())
    return {"statusCode": refused.status, "multiValueHeaders": headers, "body": body, "isBase64Encoded": False}


def _text(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
