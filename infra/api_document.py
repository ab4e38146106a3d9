"""What API Gateway checks of a request, read out of the handler's own OpenAPI document.

`tasks/api.py` describes its routes once, and Powertools makes an OpenAPI 3.1 document of them. From it come the REST
API's resources, methods, required parameters and models, so that the gateway cannot know another API than the handler.

API Gateway's models are JSON Schema draft 4, and its references are URLs: a schema is written out (`draft_4`), and what
came later than draft 4 is said in its words, or left for the handler to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
_LOCATIONS = {"path": "path", "query": "querystring", "header": "header"}

_KEPT = frozenset({
    "type", "title", "description", "default", "enum", "format", "pattern", "required", "uniqueItems",
    "minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "minProperties",
    "maxProperties",
})  # fmt: skip
"""Keywords that mean the same in draft 4. What is neither here nor translated below is the handler's to check."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    parameters: whether each is required, by API Gateway's name (`method.request.querystring.job`). body: the draft 4
    schema of a JSON body, or None.
    """

    path: str
    method: str
    parameters: Mapping[str, bool]
    body: Json | None


def handlers_document() -> Json:
    """The document that `tasks/api.py` serves at /openapi.json, and that route, which is not in it."""
    from tasks._api_openapi import openapi  # pydantic and the routes take a second to import
    from tasks.api import app

    document = openapi(app, base="/")
    return {**document, "paths": {**document["paths"], "/openapi.json": {"get": {}}}}


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations of an OpenAPI document, in its order."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(path, method.upper(), _parameters(item[method]), _body(item[method], document))


def draft_4(schema: Any, document: Mapping[str, Any], *, within: tuple[str, ...] = ()) -> Any:
    """A schema in draft 4, references written out. `within` are those that are being written out: none may recur."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"]
        if name in within:
            raise ValueError(f"{name} refers to itself, which API Gateway's models cannot: write it without recursion")
        return draft_4(_resolve(name, document), document, within=(*within, name))
    converted: Json = {keyword: value for keyword, value in schema.items() if keyword in _KEPT}
    for keyword, value in schema.items():
        match keyword:
            case "properties":
                converted[keyword] = {name: draft_4(each, document, within=within) for name, each in value.items()}
            case "items" | "not" | "additionalProperties":
                converted[keyword] = draft_4(value, document, within=within)
            case "anyOf" | "allOf" | "oneOf":
                converted[keyword] = [draft_4(each, document, within=within) for each in value]
            case "const":
                converted["enum"] = [value]
            case "exclusiveMinimum":
                converted |= {"minimum": value, "exclusiveMinimum": True}
            case "exclusiveMaximum":
                converted |= {"maximum": value, "exclusiveMaximum": True}
    return converted


def _parameters(operation: Mapping[str, Any]) -> dict[str, bool]:
    return {
        f"method.request.{_LOCATIONS[each['in']]}.{each['name']}": bool(each.get("required", False))
        for each in operation.get("parameters", ())
        if each["in"] in _LOCATIONS
    }


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Json | None:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    body: Json = draft_4(content["application/json"]["schema"], document)
    return body


def _resolve(reference: str, document: Mapping[str, Any]) -> Any:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found
