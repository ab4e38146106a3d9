"""A stage that says all that a stage can: an account and a region, a KMS key, a layer of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from infra.synthesis import Order, synthesize
from tests.infra.deployed import Deployed
from workflows.permissions import job_permissions, shared_permissions

ACCOUNT, REGION = "123456789012", "eu-west-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:powertools:3"
STAGES = f"""
[dev]
account = "{ACCOUNT}"
region = "{REGION}"
kms_key_arn = "{KEY}"
powertools_layer = "{LAYER}"
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """It has the job orders."""
    folder = tmp_path_factory.mktemp("key")
    shutil.copytree(Path(__file__).parent / "jobs", folder / "jobs")
    (folder / "stages.toml").write_text(STAGES)
    made = synthesize(
        Order(
            "dev",
            jobs_folder=folder / "jobs",
            stages_file=folder / "stages.toml",
            tables_record=folder / "tables.json",
            build=folder / "build",
        )
    )
    return Deployed(folder, made.template)


def key_use(stage: Deployed, handler: str, job: str | None = "orders") -> set[str]:
    """What a function may do with the key."""
    return {
        action
        for statement in stage.statements(stage.function(job, handler))
        if statement["Resource"] == KEY
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def test_data_and_requests_are_encrypted_with_the_key(stage: Deployed) -> None:
    """The two buckets, and the two queues of start requests."""
    buckets = [stage.named("AWS::S3::Bucket", stage.outputs[output]["Ref"]) for output in ("DataBucket", "RunsBucket")]
    queues = [each["Properties"] for each in stage.resources("AWS::SQS::Queue").values()]

    for bucket in buckets:
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"KMSMasterKeyID": KEY, "SSEAlgorithm": "aws:kms"}
    assert [queue["KmsMasterKeyId"] for queue in queues] == [KEY, KEY]


def test_a_function_may_use_the_key_as_far_as_it_reads_and_writes(stage: Deployed) -> None:
    """Work and Plan write objects, Start reads what is encrypted, Close does neither."""
    assert key_use(stage, "work") == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert key_use(stage, "plan") == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert key_use(stage, "close") == set()
    assert key_use(stage, "start", job=None) == {"kms:Decrypt"}


def test_roles_have_the_statements_that_are_derived_for_a_key_and_no_others(stage: Deployed) -> None:
    """The replay looks at these for what is never used."""
    permissions = job_permissions(stage.jobs["orders"], with_key=True)
    shared = shared_permissions(with_key=True)

    for role, statements in (permissions | shared).items():
        job = "orders" if role in permissions else None
        resource = stage.machine("orders") if role == "state-machine" else stage.function(job, role)
        assert [each["Sid"] for each in stage.statements(resource)] == [each.sid for each in statements]


def test_functions_have_the_layer_that_the_stage_names(stage: Deployed) -> None:
    """Nothing is looked up then: there is no parameter for it."""
    assert {layer for function in stage.functions() for layer in function["Layers"]} == {LAYER}
    assert "PowertoolsLayer" not in stage.template["Parameters"]


def test_a_stage_with_an_account_is_deployed_nowhere_else(stage: Deployed) -> None:
    """The `cdk` command compares it with the credentials."""
    manifest = json.loads((stage.assembly / "manifest.json").read_text())

    assert manifest["artifacts"]["mapfold-dev"]["environment"] == f"aws://{ACCOUNT}/{REGION}"
