"""The stack's outputs: all that the command line needs to find a stage."""

from __future__ import annotations

from tests.infra.deployed import Deployed
from tests.infra.there import JOBS


def test_the_outputs_name_machines_jobs_and_storage(stage: Deployed) -> None:
    """Plain values where synth knows them, references where CloudFormation does."""
    outputs = stage.outputs

    assert outputs["MachinePrefix"] == "mapfold-dev-"
    assert outputs["Jobs"] == ",".join(JOBS)
    for key, type_ in (("DataBucket", "S3::Bucket"), ("RunsBucket", "S3::Bucket"), ("RunsTable", "DynamoDB::Table")):
        assert outputs[key]["Ref"] in stage.resources(f"AWS::{type_}")


def test_each_table_has_an_output_with_both_its_names(stage: Deployed) -> None:
    """Table0, Table1, … are `declared name=real name`."""
    assert stage.tables.keys() == {table for job in stage.jobs.values() for table in job.tables}
    assert set(stage.tables.values()) <= stage.resources("AWS::DynamoDB::Table").keys()
