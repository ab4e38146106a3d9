"""The REST API and the handler know the same API: its methods and models are made of the handler's own document."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # its types would be one more package

from infra.api_document import handlers_document, operations
from tasks.api import app

OPERATIONS = tuple(operations(handlers_document()))


def test_every_route_of_the_handler_is_a_method() -> None:
    """None is missing, also not /openapi.json, which the document does not mention; and the gateway has no other."""
    routes = {(route.method, route.openapi_path) for route in (*app._static_routes, *app._dynamic_routes)}

    assert {(each.method, each.path) for each in OPERATIONS} == routes


def test_every_parameter_of_a_path_is_required() -> None:
    """API Gateway wants each part of a path that is in braces declared."""
    for operation in OPERATIONS:
        named = {part.strip("{}") for part in operation.path.split("/") if part.startswith("{")}
        declared = {
            name.rpartition(".")[2] for name, required in operation.parameters.items() if required and ".path." in name
        }

        assert named == declared


@pytest.fixture
def start_model() -> Draft4Validator:
    """The model of POST /runs, as a validator of the draft that API Gateway reads."""
    (body,) = [each.body for each in OPERATIONS if (each.method, each.path) == ("POST", "/runs")]
    assert body is not None
    Draft4Validator.check_schema(body)
    return Draft4Validator(body)


@pytest.mark.parametrize(
    "body",
    [
        {"job": "flight-delays", "source": "s3://bucket/key"},
        {"job": "flight-delays", "source": "s3://bucket/key", "params": {"year": "2013"}, "name": "first"},
        {"job": "flight-delays", "source": "s3://bucket/key", "name": None},
    ],
)
def test_the_gateway_lets_a_right_request_through(start_model: Draft4Validator, body: dict[str, Any]) -> None:
    """What the handler takes, its model takes."""
    assert start_model.is_valid(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"job": "flight-delays"},
        {"job": 1, "source": "s3://bucket/key"},
        {"job": "flight-delays", "source": "s3://bucket/key", "params": []},
        {"job": "flight-delays", "source": "s3://bucket/key", "nmae": "first"},
        [],
    ],
)
def test_the_gateway_refuses_a_wrong_request(start_model: Draft4Validator, body: Any) -> None:
    """A missing field, a wrong type, or a field that there is not never reaches the function."""
    assert not start_model.is_valid(body)
