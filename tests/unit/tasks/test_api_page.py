"""docs/api.md against the handler: its requests may be made, its answers are such as the API gives."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import BaseModel

from mapfold import Job, Manifest
from mapfold.client.values import Json
from tasks import _api_models as models
from tasks import api
from tasks._api_openapi import openapi
from tests.unit.tasks.shared_events import rest_request
from tests.unit.tasks.test_api import Caller
from workflows.definition import map_labels

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
DOCUMENT = openapi(api.app, base="/")


@dataclass(frozen=True)
class Example:
    """A request of the page, and its answer where one is shown."""

    method: str
    path: str
    query: dict[str, str]
    body: Json
    answer: Json


def examples() -> Iterator[Example]:
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE):
            if command.startswith("curl "):
                yield example(command)


def example(command: str) -> Example:
    """`curl "$API/path" [--data '…'] [--request POST]`, and from the line of a `{` on the answer."""
    typed, _, answer = re.sub(r"^\{$", "\0{", command, count=1, flags=re.MULTILINE).partition("\0")
    words = shlex.split(typed)
    url = urlsplit(next(word for word in words if word.startswith("$API")).removeprefix("$API"))
    body = json.loads(words[words.index("--data") + 1]) if "--data" in words else None
    method = words[words.index("--request") + 1] if "--request" in words else "POST" if body else "GET"
    return Example(method, url.path, dict(parse_qsl(url.query)), body, json.loads(answer) if answer else None)


def operation(one: Example) -> Json:
    path = re.sub(r"^/runs/[^/]+", "/runs/{run}", one.path)
    return DOCUMENT["paths"][path][one.method.lower()]


EXAMPLES = list(examples())
NAMES = [f"{one.method} {one.path}" for one in EXAMPLES]


@pytest.mark.parametrize("one", EXAMPLES, ids=NAMES)
def test_a_request_is_one_that_the_api_takes(one: Example) -> None:
    """Its parameters are those of the route and come in the order that old versions of curl sign right."""
    known = {parameter["name"] for parameter in operation(one).get("parameters", ()) if parameter["in"] == "query"}

    assert set(one.query) <= known
    assert list(one.query) == sorted(one.query)
    if one.body:
        models.StartRun.model_validate(one.body)


@pytest.mark.parametrize("one", [one for one in EXAMPLES if one.answer], ids=lambda one: f"{one.method} {one.path}")
def test_an_answer_has_the_members_that_the_api_gives(one: Example) -> None:
    """No other, and none is missing."""
    if "error" in one.answer and "run_id" not in one.answer:
        models.Problem.model_validate(one.answer)
        return
    answers = operation(one)["responses"]
    schema = next(answers[status] for status in ("200", "201") if status in answers)
    name = schema["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    model: type[BaseModel] = getattr(models, name)

    model.model_validate(one.answer)


def test_the_label_of_a_map_run_is_that_of_the_definition() -> None:
    """Wherever a page or the description of the API says it: in answers, and in words."""
    label, *others = map_labels(Job("line-counts", source=Manifest()))
    (shown,) = [one.answer["map_runs"][0] for one in EXAMPLES if one.answer and "map_runs" in one.answer]
    said = models.MapRunFacts.model_fields["label"].description or ""
    deploy = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text()

    assert shown["label"] == label
    assert f"/{label}:" in shown["map_run_arn"]
    for text in (said, PAGE, deploy):
        assert "job's name" in text
        assert [name for name in others if name not in text] == []
        assert "label `Map`" not in text
    assert "Map:" not in said
    assert "/Map`" not in deploy


def test_every_route_is_shown() -> None:
    """The page leaves none out; the description of the API is named in its text."""
    shown = {(re.sub(r"^/runs/[^/]+", "/runs/{run}", one.path), one.method.lower()) for one in EXAMPLES}
    there = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert there - shown == {("/openapi.json", "get")}


def test_errors_that_do_not_depend_on_runs_are_worded_as_the_page_has_them() -> None:
    """The others have their own tests."""
    (status,) = [one for one in EXAMPLES if one.query == {"status": "DONE"}]

    assert Caller().ask(rest_request("GET", status.path, **status.query)).body == status.answer


def test_every_error_of_the_page_is_one_that_the_code_knows_and_the_other_way_round() -> None:
    """The table of errors is complete."""
    folder = Path(api.__file__).parent
    code = (folder / "_api_errors.py").read_text() + (folder / "api.py").read_text()
    known = set(re.findall(r'Refusal\(\d{3}, "(\w+)"', code))

    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d{3}", line)]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])} == known
