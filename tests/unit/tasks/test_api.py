"""The HTTP API: requests as API Gateway hands them over, and the answers that it gives back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from mapfold.client.values import Counts, ExecutionSummary, Json, Lineage, Page, Status
from mapfold.errors import ServiceError
from tasks import _api_models as models
from tasks import api
from tests.unit.client.fakes import EXECUTIONS, MAP_RUN, RUN, FakeAws, events, execution, map_run
from tests.unit.tasks.conftest import FakeLambdaContext
from tests.unit.tasks.shared_events import rest_request

FLIGHTS, WORDS = EXECUTIONS + "mapfold-flights:", EXECUTIONS + "mapfold-words:"
CHILDREN = EXECUTIONS + "mapfold-flights/flights:"
SOURCE = {"uri": "s3://b/m.csv"}
START = {"job": "flights", "source": "s3://b/m.csv"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Json
    size: int

    @property
    def error(self) -> tuple[int, str]:
        """The status, and the word that says why."""
        models.Problem.model_validate(self.body)
        return self.status, self.body["error"]


@dataclass
class Caller:
    """Somebody who calls the API."""

    aws: FakeAws = field(default_factory=FakeAws)

    def get(self, path: str, **query: str) -> Answer:
        return self.ask(rest_request("GET", path, **query))

    def post(self, path: str, body: Json = None) -> Answer:
        return self.ask(rest_request("POST", path, body=body))

    def ask(self, event: dict[str, Any]) -> Answer:
        answered = api.answer(event, FakeLambdaContext(), cast(Any, self.aws))
        assert answered["multiValueHeaders"]["Content-Type"] == ["application/json"]
        return Answer(answered["statusCode"], json.loads(answered["body"]), len(json.dumps(answered)))

    def all(self, path: str, name: str, **query: str) -> list[list[Json]]:
        """Every page of a list."""
        pages: list[list[Json]] = []
        token: dict[str, str] = {}
        while True:
            answer = self.get(path, **query, **token)
            assert answer.status == 200
            pages.append(answer.body[name])
            if answer.body["next"] is None:
                return pages
            token = {"next": answer.body["next"]}


@pytest.fixture
def caller() -> Caller:
    """A stage with two jobs and the run r1, which failed: a batch of two did."""
    report = {
        "result_uri": "s3://mapfold-runs/runs/r1/result.json",
        "failures_uri": "s3://mapfold-runs/runs/r1/failures.jsonl",
        "items": {"total": 9, "succeeded": 6, "failed": 3},
        "status": "FAILED",
    }
    failed = [
        {"item": f"i{i}", "index": i, "error": "ValueError", "message": "no", "traceback": None} for i in range(3)
    ]
    counts = Counts(total=9, succeeded=6, failed=3)
    aws = FakeAws(
        machines={"mapfold-flights": "{}", "mapfold-words": "{}"},
        events_={
            RUN: events(
                ("ExecutionStarted", {"input": "{}"}),
                ("TaskStateEntered", {"name": "Finish"}),
                ("TaskStateExited", {"name": "Finish", "output": json.dumps(report)}),
                ("ExecutionFailed", {"error": "Mapfold.ToleratedFailureExceeded", "cause": "3 of 9"}),
            )
        },
        map_runs_={MAP_RUN: map_run(status=Status.SUCCEEDED, items=counts, children=Counts(total=2, succeeded=2))},
        children_={
            MAP_RUN: [
                execution(CHILDREN + "bad", Status.FAILED, error="BatchFailed", cause="no"),
                execution(CHILDREN + "good"),
            ]
        },
        objects={
            ("mapfold-runs", "runs/r1/result.json"): '{"flights": 6}',
            ("mapfold-runs", "runs/r1/failures.jsonl"): "".join(json.dumps(line) + "\n" for line in failed),
        },
    )
    given = {"run_id": "r1", "job": "flights", "source": SOURCE, "params": {}}
    return Caller(
        aws.has(execution(RUN, Status.FAILED, given=given, error="Mapfold.ToleratedFailureExceeded", cause="3 of 9"))
    )


class TestStart:
    def test_a_run_is_started(self, caller: Caller) -> None:
        """As the command line starts it; Plan makes bucket and key of the URI."""
        answer = caller.post("/runs", {**START, "params": {"year": "2013"}, "name": "first"})

        assert answer.status == 201
        assert answer.body == {"run_id": "first", "status": "RUNNING", "execution_arn": FLIGHTS + "first"}
        assert json.loads(caller.aws.executions_[FLIGHTS + "first"].input or "") == {
            "run_id": "first",
            "job": "flights",
            "source": SOURCE,
            "params": {"year": "2013"},
        }

    def test_a_run_without_a_name_gets_one(self, caller: Caller) -> None:
        """Each time another."""
        one, other = caller.post("/runs", START), caller.post("/runs", START)

        assert (one.status, other.status) == (201, 201)
        assert one.body["run_id"] != other.body["run_id"]

    @pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCEEDED])
    def test_the_same_start_by_name_gives_the_run_that_there_is(self, caller: Caller, status: Status) -> None:
        """Whether it runs or has ended: who did not hear the answer asks again."""
        caller.post("/runs", {**START, "name": "first"})
        arn = FLIGHTS + "first"
        caller.aws.executions_[arn] = replace(caller.aws.executions_[arn], status=status)

        answer = caller.post("/runs", {**START, "name": "first"})

        assert (answer.status, answer.body["status"]) == (200, status)
        assert answer.body["execution_arn"] == arn

    @pytest.mark.parametrize(
        ("other", "differs"),
        [
            ({"source": "s3://b/other.csv"}, "another source"),
            ({"params": {"year": "2014"}}, "another params"),
            ({"job": "words"}, "another job"),
        ],
    )
    def test_another_start_by_a_name_that_is_taken_is_refused(
        self, caller: Caller, other: dict[str, Json], differs: str
    ) -> None:
        """With what differs. A name is one run's, over all jobs: it is a folder and a record too."""
        caller.post("/runs", {**START, "name": "first"})

        answer = caller.post("/runs", {**START, "name": "first", **other})

        assert answer.error == (409, "RunNameTaken")
        assert differs in answer.body["message"]

    def test_a_run_that_another_caller_starts_meanwhile_is_found(self, caller: Caller) -> None:
        """It was not there when we looked, and its name is taken when we start."""
        other = execution(FLIGHTS + "first", given={"job": "flights", "source": SOURCE, "params": {}})
        started = caller.aws.start_execution

        def start_late(*args: Any, **kwargs: Any) -> str:
            caller.aws.has(other)
            return started(*args, **kwargs)

        caller.aws.start_execution = start_late  # type: ignore[method-assign]

        assert caller.post("/runs", {**START, "name": "first"}).status == 200

    def test_a_job_that_is_not_deployed_is_not_found(self, caller: Caller) -> None:
        """The nearest names are said."""
        answer = caller.post("/runs", {**START, "job": "flihgts"})

        assert answer.error == (404, "UnknownJob")
        assert "Did you mean flights?" in answer.body["message"]

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({**START, "source": "m.csv"}, "body.source: the source 'm.csv' is no S3 URI"),
            ({"job": "flights"}, "body.source: Field required"),
            ({**START, "name": "a/b"}, "body.name: 'a/b' can't be the name of a run"),
            ({**START, "parms": {}}, "body.parms: there is no such field; there are job, source, params, name"),
            ({**START, "params": []}, "body.params: Input should be a valid dictionary"),
            ({**START, "params": {"x": "y" * 40_000}}, "body.params: the run's params have 40,"),
            ("{no", "the body is no JSON: Expecting property name"),
            ("[" * 60_000, "the body cannot be read: the JSON is nested too deeply: at most 100 levels are allowed"),
            ({**START, "params": {"x": json.loads("[" * 150 + "]" * 150)}}, "nested too deeply: at most 100 levels"),
            (
                '{"params": {"x": ' + "1" * 5_000 + "}}",
                "the body cannot be read: the JSON cannot be read: Exceeds the limit",
            ),
            ({**START, "params": {"x": "\ud800"}}, r"holds half a surrogate pair, '\ud800'"),
            (None, "body: Field required"),
        ],
    )
    def test_a_wrong_body_is_refused_with_all_that_is_wrong(self, caller: Caller, body: Json, said: str) -> None:
        """Where, what is allowed, what was found."""
        answer = caller.post("/runs", body)

        assert answer.error == (400, "BadRequest")
        assert said in answer.body["message"]

    def test_a_body_that_is_too_large_is_not_even_read(self, caller: Caller) -> None:
        """It may be no JSON at all."""
        assert caller.post("/runs", "{" * 70_000).error == (413, "BodyTooLarge")

    def test_a_body_that_is_no_text_is_refused(self, caller: Caller) -> None:
        """API Gateway hands bytes over in Base64; text that came so is read."""
        event = {**rest_request("POST", "/runs", body=START), "isBase64Encoded": True}

        refused = caller.ask({**event, "body": base64.b64encode(b'{"job": "\xff"}').decode()})

        assert refused.error == (400, "BadRequest")
        assert "the body cannot be read: it is no UTF-8" in refused.body["message"]
        assert caller.ask({**event, "body": base64.b64encode(json.dumps(START).encode()).decode()}).status == 201

    def test_a_body_that_curl_takes_for_a_form_is_read_as_json(self, caller: Caller) -> None:
        """`curl --data` says so of whatever it sends, and many forget the header. No form is taken."""
        event = rest_request("POST", "/runs", body=START)
        event["headers"] = {"content-type": "application/x-www-form-urlencoded"}

        assert caller.ask(event).status == 201
        assert caller.ask({**event, "body": "job=flights"}).error == (400, "BadRequest")

    def test_a_body_that_is_not_json_is_refused(self, caller: Caller) -> None:
        """By its type."""
        event = rest_request("POST", "/runs", body="job=flights")
        event["headers"]["Content-Type"] = "text/plain"

        assert caller.ask(event).error == (415, "UnsupportedMediaType")


class TestLook:
    def test_jobs_are_listed_by_name(self, caller: Caller) -> None:
        """With their state machines."""
        answer = caller.get("/jobs")

        assert [job["name"] for job in answer.body["jobs"]] == ["flights", "words"]

    def test_a_run_is_shown_with_its_outcome(self, caller: Caller) -> None:
        """Where it failed, with error and cause."""
        body = caller.get("/runs/r1").body

        assert (body["job"], body["status"], body["items"]) == (
            "flights",
            "FAILED",
            {"total": 9, "succeeded": 6, "failed": 3},
        )
        assert (body["error"], body["cause"]) == ("Mapfold.ToleratedFailureExceeded", "3 of 9")
        assert body["result_uri"] == "s3://mapfold-runs/runs/r1/result.json"
        assert [run["label"] for run in body["map_runs"]] == ["flights"]

    def test_a_run_that_runs_has_no_outcome_yet(self, caller: Caller) -> None:
        """Those members are not there."""
        caller.aws.has(execution(FLIGHTS + "r2", Status.RUNNING))

        assert "items" not in caller.get("/runs/r2").body

    def test_progress_is_seen_by_one_look(self, caller: Caller) -> None:
        """Items and batches of the map run."""
        body = caller.get("/runs/r1/progress").body

        assert (body["items"]["succeeded"], body["batches"]["total"], body["stage"]) == (6, 2, "Finish")

    @pytest.mark.parametrize("name", ["r2", "arn:aws:states:us-east-1:123456789012:execution:billing:d", "a b"])
    def test_a_run_that_is_not_there_is_not_found(self, caller: Caller, name: str) -> None:
        """Nor is anything else by its ARN."""
        assert caller.get(f"/runs/{name}").error == (404, "UnknownRun")

    def test_the_nearest_runs_are_said(self, caller: Caller) -> None:
        """A name is easily mistyped."""
        caller.aws.has(execution(FLIGHTS + "flights-20260101-120000-abcd"))

        message = caller.get("/runs/flights-20260101-120000-abce").body["message"]

        assert "Did you mean flights-20260101-120000-abcd?" in message

    @pytest.mark.parametrize(
        ("path", "model"),
        [
            ("/jobs", models.Jobs),
            ("/runs", models.Runs),
            ("/runs/r1", models.Run),
            ("/runs/r1/progress", models.ProgressFacts),
            ("/runs/r1/failures", models.Failures),
            ("/runs/r1/history", models.History),
            ("/runs/r1/children", models.Children),
            ("/runs/r1/result", models.Result),
            ("/openapi.json", models.Description),
        ],
    )
    def test_an_answer_is_what_the_openapi_document_says(
        self, caller: Caller, path: str, model: type[BaseModel]
    ) -> None:
        """Every member is in the model, and every one that the model wants is there."""
        answer = caller.get(path)

        model.model_validate(answer.body, strict=False)
        assert answer.status == 200


class TestResult:
    def test_a_small_result_is_in_the_answer(self, caller: Caller) -> None:
        """And linked all the same. A run that failed because too many items did has one."""
        body = caller.get("/runs/r1/result").body

        assert (body["result"], body["is_inline"], body["size"]) == ({"flights": 6}, True, 14)
        assert body["url"].endswith("runs/r1/result.json?X-Amz-Expires=3600")
        assert body["url_expires_seconds"] == 3600

    def test_a_large_result_is_linked_only(self, caller: Caller) -> None:
        """Over a million bytes."""
        caller.aws.objects["mapfold-runs", "runs/r1/result.json"] = json.dumps("x" * 1_000_000)

        body = caller.get("/runs/r1/result").body

        assert (body["result"], body["is_inline"], body["size"]) == (None, False, 1_000_002)

    def test_the_result_of_a_run_that_runs_is_asked_for_too_early(self, caller: Caller) -> None:
        """It may come."""
        caller.aws.has(execution(FLIGHTS + "r2", Status.RUNNING))

        assert caller.get("/runs/r2/result").error == (409, "NotEnded")

    def test_a_run_that_was_stopped_has_no_result(self, caller: Caller) -> None:
        """The answer says why."""
        caller.aws.has(execution(FLIGHTS + "r2", Status.ABORTED, error="Mapfold.Stopped"))

        answer = caller.get("/runs/r2/result")

        assert answer.error == (404, "NoResult")
        assert "it ended ABORTED with Mapfold.Stopped before it wrote one" in answer.body["message"]

    def test_a_result_that_was_deleted_is_said(self, caller: Caller) -> None:
        """A run's folder does not live for ever."""
        del caller.aws.objects["mapfold-runs", "runs/r1/result.json"]

        assert "is not there any more" in caller.get("/runs/r1/result").body["message"]


class TestStopAndRedrive:
    def test_a_run_is_stopped(self, caller: Caller) -> None:
        """Its record is closed too; a second stop finds that it has ended."""
        caller.aws.has(execution(FLIGHTS + "r2", Status.RUNNING))

        assert caller.post("/runs/r2/stop").body["status"] == "ABORTED"
        assert caller.aws.records[FLIGHTS + "r2"] == (103.0, "Mapfold.Stopped", "stopped through the API")
        assert caller.post("/runs/r2/stop").error == (409, "RunEnded")

    def test_a_run_that_was_stopped_goes_on(self, caller: Caller) -> None:
        """With its record open again."""
        caller.aws.has(execution(FLIGHTS + "r2", Status.RUNNING))
        caller.post("/runs/r2/stop")

        answer = caller.post("/runs/r2/redrive")

        assert (answer.status, answer.body["status"]) == (200, "RUNNING")
        assert caller.aws.records == {}

    def test_a_run_that_cannot_go_on_is_refused_with_the_reason(self, caller: Caller) -> None:
        """Such as one that succeeded."""
        caller.aws.has(execution(FLIGHTS + "r2"))

        answer = caller.post("/runs/r2/redrive")

        assert answer.error == (409, "NotRedrivable")
        assert "it succeeded" in answer.body["message"]


class TestRetry:
    @pytest.fixture
    def ended(self, caller: Caller) -> Caller:
        """The run r1 has come to its end with three failed items, and has left what a retry stands on."""
        last = {"run_id": "r1", "job": "flights", "items": {"total": 9, "succeeded": 6, "failed": 3}, "partial": 6}
        caller.aws.objects["mapfold-runs", "runs/r1/last.json"] = json.dumps(last)
        return caller

    def test_the_failed_items_are_tried_again_by_a_run_of_their_own(self, ended: Caller) -> None:
        """With the source and params of the run that it retries."""
        answer = ended.post("/runs/r1/retry", {"where": ["error=ValueError", "index=0-9"], "name": "second"})

        assert answer.status == 201
        assert answer.body == {"run_id": "second", "status": "RUNNING", "execution_arn": FLIGHTS + "second"}
        assert json.loads(ended.aws.executions_[FLIGHTS + "second"].input or "") == {
            "run_id": "second",
            "job": "flights",
            "source": SOURCE,
            "params": {},
            "retry": {"of": "r1", "where": ["error=ValueError", "index=0-9"]},
        }

    def test_without_a_body_s_members_all_are_tried(self, ended: Caller) -> None:
        """The run gets a name of its own."""
        answer = ended.post("/runs/r1/retry", {})

        assert answer.status == 201
        assert answer.body["run_id"].startswith("flights-")

    def test_asking_again_by_name_starts_nothing(self, ended: Caller) -> None:
        """Also where the first request has made the run a retried one already; with other conditions it is refused."""
        ended.post("/runs/r1/retry", {"name": "second"})
        ended.aws.lineages_["r1"] = Lineage(retried_by="second")

        assert ended.post("/runs/r1/retry", {"name": "second"}).status == 200
        other = ended.post("/runs/r1/retry", {"name": "second", "where": ["index=1"]})
        assert other.error == (409, "RunNameTaken")
        assert "another retry" in other.body["message"]

    def test_a_run_that_was_retried_is_refused_with_the_newest_of_its_chain(self, ended: Caller) -> None:
        """Unless it is to be retried again."""
        ended.aws.lineages_ = {"r1": Lineage(retried_by="r2"), "r2": Lineage(("r1",), retried_by="r3")}

        answer = ended.post("/runs/r1/retry", {})

        assert answer.error == (409, "NotRetryable")
        assert "newest run of its chain is r3" in answer.body["message"]
        assert ended.post("/runs/r1/retry", {"again": True}).status == 201

    def test_a_run_that_did_not_come_to_its_end_is_refused(self, caller: Caller) -> None:
        """It has left nothing to stand on."""
        answer = caller.post("/runs/r1/retry", {})

        assert answer.error == (409, "NotRetryable")
        assert "redrive" in answer.body["message"]

    def test_a_wrong_condition_is_refused_with_what_is_allowed(self, ended: Caller) -> None:
        """Before anything is started."""
        answer = ended.post("/runs/r1/retry", {"where": ["eror=x"]})

        assert answer.error == (400, "BadRequest")
        assert "'eror=x'" in answer.body["message"]
        assert "error=ValueError" in answer.body["message"]

    def test_an_unknown_member_is_refused_with_those_there_are(self, ended: Caller) -> None:
        """Those of this request, not of another one."""
        assert "there are where, name, again" in ended.post("/runs/r1/retry", {"take": 1}).body["message"]

    def test_a_run_shows_what_it_stands_on_and_what_stands_on_it(self, ended: Caller) -> None:
        """In the list and alone."""
        ended.aws.lineages_["r1"] = Lineage(("a", "b"), retried_by="r2")

        shown, (line,) = ended.get("/runs/r1").body, ended.get("/runs").body["runs"]

        models.Run.model_validate(shown)
        assert (shown["retry_of"], shown["lineage"], shown["retried_by"]) == ("b", ["a", "b"], "r2")
        assert (line["retry_of"], line["retried_by"]) == ("b", "r2")


class TestPages:
    @pytest.fixture
    def many(self, caller: Caller) -> Caller:
        """Ten runs of both jobs in turn, two of them started at the same moment."""
        for number in range(10):
            prefix = FLIGHTS if number % 2 else WORDS
            caller.aws.has(execution(f"{prefix}n{number}", started=1000.0 + number - (number == 5)))
        return caller

    def test_runs_of_several_jobs_are_paged_newest_first(self, many: Caller) -> None:
        """None twice, none left out, also those that started at once."""
        pages = many.all("/runs", "runs", limit="3")

        found = [run["run_id"] for page in pages for run in page]
        assert found == ["n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1", "n0", "r1"]
        assert [len(page) for page in pages] == [3, 3, 3, 2]

    def test_a_run_that_starts_between_two_pages_changes_nothing_behind_it(self, many: Caller) -> None:
        """The position is a moment."""
        token = many.get("/runs", limit="2").body["next"]
        many.aws.has(execution(FLIGHTS + "newest", started=2000.0))

        assert [run["run_id"] for run in many.get("/runs", limit="2", next=token).body["runs"]] == ["n7", "n6"]

    def test_a_page_of_one_jobs_runs_costs_one_call(self, many: Caller) -> None:
        """However far back it is."""
        pages = many.all("/runs", "runs", job="words", limit="2")

        assert [run["run_id"] for page in pages for run in page] == ["n8", "n6", "n4", "n2", "n0"]
        assert [start for _, start in many.aws.pages] == [0, 2, 4]

    def test_runs_are_listed_by_status(self, many: Caller) -> None:
        """Step Functions chooses them."""
        many.aws.has(execution(WORDS + "going", Status.RUNNING, started=1.0))

        assert many.all("/runs", "runs", status="RUNNING") == [[many.get("/runs").body["runs"][-1]]]

    def test_failures_are_read_from_where_the_page_before_ended(self, caller: Caller) -> None:
        """By a ranged read of failures.jsonl: what lies before is not read again."""
        pages = caller.all("/runs/r1/failures", "failures", limit="2")

        assert [[failure["index"] for failure in page] for page in pages] == [[0, 1], [2]]
        lines = caller.aws.objects["mapfold-runs", "runs/r1/failures.jsonl"].splitlines(keepends=True)
        assert [start for _, start in caller.aws.ranges] == [0, len(lines[0]) + len(lines[1])]

    def test_events_are_paged_by_step_functions(self, caller: Caller) -> None:
        """A page costs a call."""
        pages = caller.all("/runs/r1/history", "events", limit="3")

        assert [[event["id"] for event in page] for page in pages] == [[1, 2, 3], [4]]
        assert [start for _, start in caller.aws.pages] == [0, 3]

    def test_children_are_paged_with_why_they_failed(self, caller: Caller) -> None:
        """Over all map runs."""
        pages = caller.all("/runs/r1/children", "children", limit="1")

        assert [child["name"] for (child,) in pages] == ["bad", "good"]
        assert (pages[0][0]["error"], "error" in pages[1][0]) == ("BatchFailed", False)

    def test_children_are_listed_by_status(self, caller: Caller) -> None:
        """Such as only those that failed."""
        assert [c["name"] for c in caller.get("/runs/r1/children", status="FAILED").body["children"]] == ["bad"]

    def test_a_page_that_would_be_too_large_ends_early_and_nothing_is_left_out(self, caller: Caller) -> None:
        """Lambda answers with at most 6,291,556 bytes, the quotes of a text within a text being escaped."""
        caller.aws.events_[RUN] = events(*(("TaskSucceeded", {"output": '"' * 250_000}) for _ in range(20)))

        answer = caller.get("/runs/r1/history")
        pages = caller.all("/runs/r1/history", "events")

        assert 4_000_000 < answer.size < 6_291_556
        assert len(pages) > 1
        assert [event["id"] for page in pages for event in page] == list(range(1, 21))

    @pytest.mark.parametrize("token", ["x", "WzEsMl0", "bnVsbA", "é", "W10", "W1tb" * 1_900])
    def test_a_token_that_is_none_of_ours_is_refused(self, caller: Caller, token: str) -> None:
        """Whatever it holds."""
        assert caller.get("/runs/r1/history", next=token).error == (400, "BadRequest")

    def test_a_token_of_another_list_is_refused(self, many: Caller) -> None:
        """Of another job, another status, another run."""
        token = many.get("/runs", job="words", limit="1").body["next"]

        assert many.get("/runs", job="flights", next=token).error == (400, "BadRequest")
        assert many.get("/runs", job="words", status="FAILED", next=token).error == (400, "BadRequest")

    def test_a_token_that_step_functions_does_not_know_any_more_is_refused(self, many: Caller) -> None:
        """It keeps them for 24 hours."""

        class Later(FakeAws):
            def execution_page(self, *args: Any, **kwargs: Any) -> Page[ExecutionSummary]:
                raise ServiceError("Invalid Token: 'Invalid token'", code="InvalidToken")

        token = many.get("/runs", job="words", limit="1").body["next"]

        answer = Caller(Later(machines=many.aws.machines)).get("/runs", job="words", next=token)

        assert answer.error == (400, "BadRequest")
        assert "within 24 hours" in answer.body["message"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ({"limit": "0"}, "query.limit: Input should be greater than or equal to 1, not '0'"),
            ({"limit": "many"}, "query.limit: Input should be a valid integer"),
            ({"status": "OK"}, "query.status: Input should be 'RUNNING', 'SUCCEEDED', 'FAILED'"),
            ({"limt": "3"}, "there is no query parameter 'limt': there are job, status, limit, next"),
        ],
    )
    def test_a_wrong_query_is_refused(self, caller: Caller, query: dict[str, str], said: str) -> None:
        """A parameter that is mistyped too: it was meant to do something."""
        answer = caller.get("/runs", **query)

        assert answer.error == (400, "BadRequest")
        assert said in answer.body["message"]

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/nothing"), ("DELETE", "/runs/r1"), ("GET", "/runs/r1/stop")]
    )
    def test_what_there_is_not_is_not_found(self, caller: Caller, method: str, path: str) -> None:
        """A method of a path alike."""
        assert caller.ask(rest_request(method, path)).error == (404, "UnknownRoute")

    @pytest.mark.parametrize(
        ("code", "answered"), [("ThrottlingException", (503, "Throttled")), ("AccessDenied", (502, "ServiceError"))]
    )
    def test_what_aws_refuses_is_said(self, code: str, answered: tuple[int, str]) -> None:
        """Throttling passes by itself."""

        class Refusing(FakeAws):
            def state_machines(self) -> Any:
                raise ServiceError(f"ListStateMachines was refused: {code}", code=code)

        assert Caller(Refusing()).get("/jobs").error == answered

    def test_a_fault_of_ours_is_an_answer_too(self, caplog: pytest.LogCaptureFixture) -> None:
        """The caller hears the id that it has in the log, and nothing of its inside."""

        class Broken(FakeAws):
            def state_machines(self) -> Any:
                raise KeyError("secret")

        answer = Caller(Broken()).get("/jobs")

        assert answer.error == (500, "InternalError")
        assert FakeLambdaContext.aws_request_id in answer.body["message"]
        assert "secret" not in answer.body["message"]
        assert "request failed" in caplog.messages

    def test_what_a_request_holds_is_not_logged(self, caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
        """Params may hold what is nobody's business; links let anybody in."""
        caller.post("/runs", {**START, "params": {"password": "hunter2"}})
        caller.get("/runs/r1/result")

        logged = " ".join(str(vars(record)) for record in caplog.records)
        assert "answered" in caplog.messages
        assert "hunter2" not in logged
        assert "X-Amz" not in logged


class TestOpenApi:
    def document(self, *, stage: str = "v1") -> Json:
        return Caller().ask(rest_request("GET", "/openapi.json", stage=stage)).body

    def test_it_tells_of_every_route(self) -> None:
        """And of no other."""
        operations = {
            f"{method.upper()} {path}" for path, methods in self.document()["paths"].items() for method in methods
        }

        assert operations == {
            "GET /jobs",
            "POST /runs",
            "GET /runs",
            "GET /runs/{run}",
            "GET /runs/{run}/progress",
            "GET /runs/{run}/failures",
            "GET /runs/{run}/history",
            "GET /runs/{run}/children",
            "GET /runs/{run}/result",
            "POST /runs/{run}/stop",
            "POST /runs/{run}/redrive",
            "POST /runs/{run}/retry",
            "GET /openapi.json",
        }

    def test_every_operation_says_what_it_answers(self) -> None:
        """A success with its model, and every error that it may answer as a Problem; 422 is none of them."""
        operations = [operation for path in self.document()["paths"].values() for operation in path.values()]

        for operation in operations:
            assert operation["summary"]
            assert {"400", "500", "502", "503"} <= set(operation["responses"])
            assert "422" not in operation["responses"]
            for status, response in operation["responses"].items():
                schema = response["content"]["application/json"]["schema"]["$ref"]
                assert (schema == "#/components/schemas/Problem") == (status >= "400")

    def test_every_schema_that_is_named_is_there_and_the_other_way_round(self) -> None:
        """Nothing is left of what Powertools would have answered."""
        document = self.document()
        text = json.dumps(document)

        schemas = set(document["components"]["schemas"])

        assert {name for name in schemas if f"#/components/schemas/{name}" not in text} == set()
        assert text.count("#/components/schemas/") > 0
        assert {"StartRun", "Problem", "Run"} <= schemas

    @pytest.mark.parametrize("stage", ["v1", "api"])
    def test_its_server_is_where_it_was_asked_for(self, stage: str) -> None:
        """API Gateway serves it under the stage's name, `mapfold local` under /api."""
        assert self.document(stage=stage)["servers"] == [{"url": f"/{stage}"}]


def test_the_handler_speaks_to_the_stage_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state machines are made of the deployed jobs' names: nothing is asked of AWS."""
    environment = {
        "MAPFOLD_MACHINE_PREFIX": "mapfold-dev-",
        "MAPFOLD_DEPLOYED_JOBS": "flights",
        "MAPFOLD_RUNS_BUCKET": "r",
        "MAPFOLD_RUNS_TABLE": "t",
        "MAPFOLD_DATA_BUCKET": "d",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    context = FakeLambdaContext(invoked_function_arn="arn:aws:lambda:eu-west-1:210987654321:function:api")

    answered = api.handler(rest_request("GET", "/jobs"), context)

    assert json.loads(answered["body"]) == {
        "jobs": [
            {
                "name": "flights",
                "state_machine_arn": "arn:aws:states:eu-west-1:210987654321:stateMachine:mapfold-dev-flights",
            }
        ]
    }
