"""From an OpenAPI document to what API Gateway checks."""

from __future__ import annotations

from typing import Any

import pytest

from infra.api_document import draft_4, operations

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/runs": {
            "get": {"parameters": [{"in": "query", "name": "job", "required": True}, {"in": "query", "name": "next"}]},
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Start"}}}}
            },
        },
        "/runs/{run}": {"get": {"parameters": [{"in": "path", "name": "run", "required": True}]}},
    },
    "components": {
        "schemas": {
            "Start": {
                "type": "object",
                "required": ["job"],
                "properties": {"job": {"$ref": "#/components/schemas/Name"}},
            },
            "Name": {"type": "string", "minLength": 1},
            "Tree": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}},
        }
    },
}


def test_every_method_of_every_path_is_an_operation() -> None:
    """In the order of the document, with API Gateway's spelling of methods."""
    assert [(each.method, each.path) for each in operations(DOCUMENT)] == [
        ("GET", "/runs"),
        ("POST", "/runs"),
        ("GET", "/runs/{run}"),
    ]


def test_parameters_have_the_gateways_names_and_say_whether_they_are_required() -> None:
    """`in: query` is `querystring` there."""
    listed, _, shown = operations(DOCUMENT)

    assert listed.parameters == {"method.request.querystring.job": True, "method.request.querystring.next": False}
    assert shown.parameters == {"method.request.path.run": True}


def test_a_body_is_written_out_without_references() -> None:
    """API Gateway's references are URLs of models, so each schema stands where it is used."""
    _, started, _ = operations(DOCUMENT)

    assert started.body == {
        "type": "object",
        "required": ["job"],
        "properties": {"job": {"type": "string", "minLength": 1}},
    }


def test_a_schema_that_refers_to_itself_is_refused() -> None:
    """It cannot be written out. The error names it."""
    with pytest.raises(ValueError, match="#/components/schemas/Tree refers to itself"):
        draft_4({"$ref": "#/components/schemas/Tree"}, DOCUMENT)


@pytest.mark.parametrize(
    ("schema", "converted"),
    [
        ({"const": "x"}, {"enum": ["x"]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 9}, {"maximum": 9, "exclusiveMaximum": True}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"type": "array", "items": {"const": 1}}, {"type": "array", "items": {"enum": [1]}}),
        ({"type": "string", "examples": ["a"], "propertyNames": {"pattern": "^a"}}, {"type": "string"}),
    ],
)
def test_keywords_are_said_as_draft_4_says_them(schema: dict[str, Any], converted: dict[str, Any]) -> None:
    """What draft 4 has no word for is left out: the handler checks it."""
    assert draft_4(schema, {}) == converted
