"""`mapfold deploy`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapfold.cli.factory import Factory
from mapfold.client.values import Json
from mapfold.errors import JobError, ServiceError
from tests.unit.cli.fakes import FakeFactory, FakeJob, FakeSource, LoadedFakes, call
from tests.unit.client.fakes import FakeAws


def test_all_jobs_of_the_folder_are_deployed_and_a_second_time_changes_nothing() -> None:
    """What was made is told by kind and name; where nothing was, how much there is."""
    factory = FakeFactory(known=LoadedFakes(flights=FakeJob(), orders=FakeJob("orders")))

    first = call(factory, "deploy")
    second = call(factory, "deploy", "--json")

    assert set(factory.aws.machines) == {"mapfold-flights", "mapfold-orders"}
    assert "created  state machine         mapfold-orders" in first.out
    assert "s3://mapfold-data/manifests/flights/" in first.out
    document = json.loads(second.out)
    assert (document["jobs"], document["changes"], document["errors"]) == (["flights", "orders"], [], [])


def test_named_jobs_are_deployed_alone() -> None:
    """Others stay as they are."""
    factory = FakeFactory(known=LoadedFakes(flights=FakeJob(), orders=FakeJob("orders")))

    said = call(factory, "deploy", "orders")

    assert (said.code, set(factory.aws.machines)) == (0, {"mapfold-orders"})
    assert set(factory.made.rules) == {"mapfold-upload-orders"}


def test_a_job_over_a_listing_has_no_rule_for_uploads() -> None:
    """No single object is its manifest."""
    job = FakeJob(source=FakeSource(key_name="Prefix", starts_by_upload=False))
    factory = FakeFactory(known=LoadedFakes(flights=job))

    call(factory, "deploy")

    assert (set(factory.aws.machines), factory.made.rules) == ({"mapfold-flights"}, {})


def test_the_hint_about_manifests_names_a_job_that_one_starts() -> None:
    """Not merely the first one; where there is none, nothing is said."""
    listing = FakeJob(source=FakeSource(key_name="Prefix", starts_by_upload=False))

    both = call(FakeFactory(known=LoadedFakes(flights=listing, orders=FakeJob("orders"))), "deploy")
    alone = call(FakeFactory(known=LoadedFakes(flights=listing)), "deploy")

    assert "a manifest put under s3://mapfold-data/manifests/orders/ starts orders" in both.out
    assert "manifests/flights/" not in both.out
    assert "manifest" not in alone.out


def test_a_module_that_is_no_job_hides_no_other() -> None:
    """It is said, and the exit code tells it."""
    known = LoadedFakes(flights=FakeJob())
    known.errors = (JobError("it declares no job", at="jobs/empty.py", fix="Write one"),)
    factory = FakeFactory(known=known)

    said = call(factory, "deploy")

    assert (said.code, set(factory.aws.machines)) == (2, {"mapfold-flights"})
    assert "mapfold: jobs/empty.py: it declares no job. Write one." in said.err


@dataclass(frozen=True)
class OneIsRefused(FakeFactory):
    def deployed_definition(self, job: Any, substitutions: Mapping[str, str]) -> dict[str, Json]:
        if job.name == "orders":
            raise JobError("it has no end", at="jobs/orders.py", fix="Write End")
        return super().deployed_definition(job, substitutions)


class TableIsAnother(FakeAws):
    def ensure_table(self, name: str, keys: Any) -> bool:
        if name == "daily":
            raise ServiceError("table 'daily' has another key", code="")
        return super().ensure_table(name, keys)


def test_a_job_that_cannot_be_planned_or_made_hides_no_other() -> None:
    """What of it can be made is made; each problem is one line."""
    factory: Factory = OneIsRefused(
        aws=TableIsAnother(), known=LoadedFakes(flights=FakeJob(), orders=FakeJob("orders", tables={}))
    )
    assert isinstance(factory, FakeFactory)

    said = call(factory, "deploy")

    assert (said.code, set(factory.aws.machines)) == (2, {"mapfold-flights"})
    assert said.err.count("mapfold: ") == 2
    assert said.out.splitlines()[-1].startswith("not all of flights is on ")
    assert "a manifest put under" not in said.out


@dataclass(frozen=True)
class IsMistaken(FakeFactory):
    def deployed_definition(self, job: Any, substitutions: Mapping[str, str]) -> dict[str, Json]:
        raise JobError(
            "SyntaxError: invalid syntax", at="workflows/definition.py:9", fix="Mend workflows/definition.py"
        )


def test_a_mistake_that_all_jobs_have_in_common_is_said_once() -> None:
    """They are built by the same file."""
    said = call(IsMistaken(known=LoadedFakes(flights=FakeJob(), orders=FakeJob("orders"))), "deploy")

    assert said.code == 2
    assert said.err.count("workflows/definition.py:9: SyntaxError") == 1


def test_the_functions_have_what_the_job_declares() -> None:
    """Its variables, its secrets by name, and its bound where this machine's cores are not below it anyway."""
    job = FakeJob(environment={"LEVEL": "5"}, secrets=("db",), most_at_once=1)
    factory = FakeFactory(known=LoadedFakes(flights=job))

    call(factory, "deploy")

    environment = factory.aws.functions["mapfold-flights-work"].environment
    assert (environment["LEVEL"], json.loads(environment["MAPFOLD_SECRETS"])) == ("5", {"db": "db"})
    assert (environment["MAPFOLD_CONCURRENCY"], environment["MAPFOLD_DATA_BUCKET"]) == ("1", "mapfold-data")
    assert json.loads(environment["MAPFOLD_TABLES"]) == {"daily": "daily"}


def test_a_folder_of_jobs_that_is_not_there_is_said_before_anything_is_served(tmp_path: Path) -> None:
    """Unless it is the usual one: whoever has no jobs wants an embedded AWS all the same."""
    said = call(FakeFactory(), "local", "--jobs", str(tmp_path / "nowhere"))

    assert said.code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in str(said.error)


def test_on_aws_it_says_what_deploys() -> None:
    """Nothing is asked of AWS."""
    factory = FakeFactory()

    said = call(factory, "deploy", "--on", "aws")

    assert (said.code, factory.places) == (2, [])
    assert "make deploy" in str(said.error)
