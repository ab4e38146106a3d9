"""The HTTP API: who may call it, what the gateway checks, what it logs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from infra.http_api import HttpApi
from tests.infra.building import empty_stack, function, only, resources, template_of

BODY: dict[str, Any] = {"type": "object", "required": ["job"], "properties": {"job": {"type": "string"}}}


def document(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "paths": {
            "/runs": {
                "get": {"parameters": [{"in": "query", "name": "job", "required": True}]},
                "post": {"requestBody": {"content": {"application/json": {"schema": body}}}},
            },
            "/runs/{run}": {"get": {"parameters": [{"in": "path", "name": "run", "required": True}]}},
        }
    }


def synthesized(body: dict[str, Any] = BODY) -> Template:
    stack = empty_stack()
    HttpApi(
        stack,
        "HttpApi",
        api=function(stack, "Function"),
        document=document(body),
        requests_per_second=50,
        burst=100,
        log_retention=logs.RetentionDays.TWO_WEEKS,
    )
    return template_of(stack)


@pytest.fixture(scope="module")
def template() -> Template:
    return synthesized()


def test_every_method_asks_for_a_signature_of_iam(template: Template) -> None:
    """No method is open, and none accepts an API key in place of a signature."""
    methods = resources(template, "AWS::ApiGateway::Method").values()

    assert [method["AuthorizationType"] for method in methods] == 3 * ["AWS_IAM"]
    assert not any(method.get("ApiKeyRequired") for method in methods)


def test_the_operations_of_the_document_are_the_methods(template: Template) -> None:
    """Each is handed to the one function as it comes."""
    methods = resources(template, "AWS::ApiGateway::Method").values()

    assert [method["HttpMethod"] for method in methods] == ["GET", "POST", "GET"]
    assert {method["Integration"]["Type"] for method in methods} == {"AWS_PROXY"}


def test_the_gateway_checks_parameters_and_bodies(template: Template) -> None:
    """A required parameter that is missing, or a body that does not fit its schema, never reaches the function."""
    validator = only(template, "AWS::ApiGateway::RequestValidator")
    listed, started, shown = resources(template, "AWS::ApiGateway::Method").values()
    (model,) = resources(template, "AWS::ApiGateway::Model")

    assert (validator["ValidateRequestBody"], validator["ValidateRequestParameters"]) == (True, True)
    assert all("RequestValidatorId" in method for method in (listed, started, shown))
    assert listed["RequestParameters"] == {"method.request.querystring.job": True}
    assert shown["RequestParameters"] == {"method.request.path.run": True}
    assert started["RequestModels"] == {"application/json": {"Ref": model}}


def test_a_model_is_the_documents_schema(template: Template) -> None:
    """In draft 4, which is what API Gateway reads."""
    schema = only(template, "AWS::ApiGateway::Model")["Schema"]

    assert schema == {"$schema": "http://json-schema.org/draft-04/schema#", **BODY}


def test_another_schema_makes_another_deployment() -> None:
    """
    A stage serves what its deployment saw. CDK names a deployment by its methods; if a changed model did not change
    that name, the old schema would stay in force.
    """
    changed = {**BODY, "required": ["job", "source"]}

    before, after = (resources(each, "AWS::ApiGateway::Deployment") for each in (synthesized(), synthesized(changed)))

    assert before.keys().isdisjoint(after)


def test_the_stage_v1_is_throttled_traced_and_measured(template: Template) -> None:
    """The limits are those of the stage's configuration, for all methods together."""
    stage = only(template, "AWS::ApiGateway::Stage")
    (settings,) = stage["MethodSettings"]

    assert (stage["StageName"], stage["TracingEnabled"]) == ("v1", True)
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (50, 100)
    assert settings["MetricsEnabled"] is True


def test_the_access_log_is_json_and_says_who_asked(template: Template) -> None:
    """One JSON object a request, with the caller's ARN; kept as long as the stage's other logs."""
    stage = only(template, "AWS::ApiGateway::Stage")
    line = json.loads(stage["AccessLogSetting"]["Format"])

    assert line["caller"] == "$context.identity.userArn"
    assert line["request"] == "$context.requestId"
    assert only(template, "AWS::Logs::LogGroup")["RetentionInDays"] == 14


def test_inputs_are_not_logged(template: Template) -> None:
    """The execution log tells of errors; data tracing, which would write bodies into it, is off."""
    (settings,) = only(template, "AWS::ApiGateway::Stage")["MethodSettings"]

    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("ERROR", False)


def test_only_the_stage_v1_may_invoke_the_function(template: Template) -> None:
    """One permission for all methods of that stage: none for the console's test button, none for other APIs."""
    permission = only(template, "AWS::Lambda::Permission")
    source = "".join(part if isinstance(part, str) else "…" for part in permission["SourceArn"]["Fn::Join"][1])

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert source.endswith("/v1/*/*")


def test_the_accounts_log_role_is_touched_only_on_demand(template: Template) -> None:
    """The setting is the whole account's: it is made if ApiLogsRole says `create`, and then stays."""
    accounts = template.find_resources("AWS::ApiGateway::Account")
    roles = {id_: role for id_, role in template.find_resources("AWS::IAM::Role").items() if "Condition" in role}

    assert template.to_json()["Parameters"]["ApiLogsRole"]["Default"] == "existing"
    for resource in (*accounts.values(), *roles.values()):
        assert resource["Condition"] == "ApiLogsRoleCreated"
        assert resource["DeletionPolicy"] == "Retain"
    assert (len(accounts), len(roles)) == (1, 1)


def test_the_stage_is_made_after_the_accounts_role(template: Template) -> None:
    """API Gateway refuses a stage with logs where the account has no role, so the stage's description refers to it."""
    (account,) = template.find_resources("AWS::ApiGateway::Account")

    description = only(template, "AWS::ApiGateway::Stage")["Description"]

    assert f'{{"Ref": "{account}"}}' in json.dumps(description)


def refusals(template: Template) -> dict[str, dict[str, str]]:
    """What the gateway answers by kind, with the values of AWS's documentation put for its variables."""
    said = {
        "$context.error.messageString": '"Invalid request body"',
        "$context.error.validationErrorString": r"[object has missing required properties ([\"job\"])]",
        "$context.error.responseType": "UNAUTHORIZED",
    }
    answers = {}
    for each in resources(template, "AWS::ApiGateway::GatewayResponse").values():
        text = each["ResponseTemplates"]["application/json"]
        for variable, value in said.items():
            text = text.replace(variable, value)
        answers[each["ResponseType"]] = json.loads(text)
    return answers


def test_what_the_gateway_refuses_looks_like_the_handlers_errors(template: Template) -> None:
    """{"error", "message"} in JSON, so that a client reads one shape; the status is the gateway's own."""
    answers = refusals(template)

    assert all(answer.keys() == {"error", "message"} and all(answer.values()) for answer in answers.values())
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= answers.keys()
    assert not any("StatusCode" in each for each in resources(template, "AWS::ApiGateway::GatewayResponse").values())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("BAD_REQUEST_BODY", "BadRequest"),
        ("BAD_REQUEST_PARAMETERS", "BadRequest"),
        ("REQUEST_TOO_LARGE", "BodyTooLarge"),
        ("UNSUPPORTED_MEDIA_TYPE", "UnsupportedMediaType"),
        ("THROTTLED", "Throttled"),
    ],
)
def test_the_gateway_says_a_mistake_in_the_handlers_word(template: Template, kind: str, error: str) -> None:
    """A program that knows the embedded API knows this one too."""
    words = Path("tasks/_api_errors.py").read_text() + Path("tasks/api.py").read_text()

    assert refusals(template)[kind]["error"] == error
    assert f'"{error}"' in words


def test_a_body_that_does_not_fit_is_said_to_lack_what_it_lacks(template: Template) -> None:
    """Not only that it is invalid."""
    assert refusals(template)["BAD_REQUEST_BODY"]["message"] == '[object has missing required properties (["job"])]'


def test_the_page_tells_every_word_that_the_gateway_answers_with(template: Template) -> None:
    """docs/api.md has a table of them."""
    page = Path("docs/api.md").read_text()
    table = page[page.index("| API Gateway refuses") :].partition("\n\n")[0]
    words = {answer["error"] for answer in refusals(template).values()} - {"UNAUTHORIZED"}

    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", table)) == words
