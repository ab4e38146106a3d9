"""What each role may do: minimal, named by AWS's rules, and derived from what the job declares."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from mapfold import Context, Inventory, Job, Manifest, Network, ObjectRows, Objects, Permission, Splits
from mapfold.errors import UsageError
from mapfold.runs.folder import RunFolder
from tests.e2e.permissions.iam import Request, is_allowed
from workflows import build_definition
from workflows.definition import map_labels
from workflows.permissions import (
    Statement,
    job_permissions,
    policy_document,
    resolve,
    roles_with_context,
    secret_arn,
    shared_permissions,
)

SERVICES: dict[str, Any] = json.loads((files("cfnlint.data.AdditionalSpecs") / "Policies.json").read_text())
"""AWS's Service Authorization Reference, as cfn-lint carries it: resource types of actions, and how their ARNs look."""

WIDER = {("ec2:DeleteNetworkInterface", "arn:${Partition}:ec2:${Region}:${Account}:*/*")}
"""What is wider than the action's own resource type, because Lambda's guide asks for it in these words."""

NETWORK = Network("vpc-01234567", ("subnet-01234567",), ("sg-01234567",), secrets=("orders/db",), connections=9)
FOLDER = RunFolder("${RunsBucket}", "run-1")


def job(**declared: Any) -> Job:
    made = Job("words", **{"source": Manifest(), **declared})
    made.map(lambda item, context: 1)
    made.fold(lambda a, b: a + b)
    return made


def whole_job(**declared: Any) -> Job:
    """A job that declares all there is, and whose finish takes a Context."""
    made = job(
        tables={"seen": ("key",)},
        reads=("s3://logs/2013/",),
        writes=("s3://out/",),
        permissions=(Permission(("sns:Publish",), ("arn:aws:sns:us-east-1:123456789012:t",), "It tells of delays."),),
        network=NETWORK,
        **declared,
    )

    @made.finish
    def finish(partial: int, context: Context) -> int:
        return partial

    return made


def every_role() -> Iterator[tuple[str, tuple[Statement, ...]]]:
    """Of a job that declares all there is, with either kind of source, and of the shared functions."""
    for source in (Manifest(), Objects(), Splits("csv", "prefix")):
        for role, statements in job_permissions(whole_job(source=source), with_key=True).items():
            yield f"{type(source).__name__} {role}", statements
    yield from shared_permissions(with_key=True).items()


ROLES = dict(every_role())


def action_facts(action: str) -> dict[str, Any]:
    service, name = action.split(":")
    facts: dict[str, Any] = SERVICES[service]["Actions"][name.lower()]
    return facts


def arn_patterns(action: str) -> Iterator[str]:
    """What a resource of the action can look like, as a regular expression over ARNs whose places stay `${…}`."""
    service = action.split(":")[0]
    for kind in action_facts(action).get("Resources", ()):
        for arn in SERVICES[service]["Resources"][kind]["ARNFormats"]:
            yield re.sub(r"\$\{\w+\}", r"[^:]*", arn)


@pytest.mark.parametrize("role", ROLES)
class TestEveryRole:
    def test_statements_are_named_once_in_letters_and_digits(self, role: str) -> None:
        """As IAM asks of a Sid."""
        sids = [statement.sid for statement in ROLES[role]]

        assert len(sids) == len(set(sids))
        assert all(sid.isalnum() for sid in sids)

    def test_every_statement_says_why_in_a_sentence(self, role: str) -> None:
        """For the person who reads `mapfold policy`."""
        assert [each.sid for each in ROLES[role] if not re.fullmatch(r"[A-Z][^\n]{20,}\.", each.because)] == []

    def test_all_resources_are_named_only_where_aws_knows_nothing_narrower(self, role: str) -> None:
        """An action with a resource type in the Service Authorization Reference has an ARN."""
        too_wide = [
            action
            for statement in ROLES[role]
            if "*" in statement.resources
            for action in statement.actions
            if action_facts(action).get("Resources")
        ]

        assert too_wide == []

    def test_every_action_takes_the_resources_that_it_has(self, role: str) -> None:
        """A statement whose ARN is of another type would allow nothing."""
        wrong = [
            (action, resource)
            for statement in ROLES[role]
            for action in statement.actions
            for resource in statement.resources
            if resource.startswith("arn:")
            and (action, resource) not in WIDER
            and not any(re.fullmatch(pattern, resource.replace("*", "x")) for pattern in arn_patterns(action))
        ]

        assert wrong == []

    def test_no_action_is_a_pattern(self, role: str) -> None:
        """What is allowed can be read."""
        assert [
            a for statement in ROLES[role] for a in statement.actions if not re.fullmatch(r"[a-z0-9]+:\w+", a)
        ] == []


class TestJobRoles:
    @pytest.mark.parametrize(
        ("role", "action", "key"),
        [
            ("work", "s3:PutObject", FOLDER.failed(7, 9)),
            ("work", "s3:PutObject", FOLDER.partial("map", 7)),
            ("fold", "s3:GetObject", FOLDER.partial("map", 7)),
            ("fold", "s3:PutObject", FOLDER.partial("group-1", 7)),
            ("fold", "s3:PutObject", FOLDER.partial("folded-0", 7)),
            ("fold", "s3:PutObject", FOLDER.groups(1)),
            ("fold", "s3:PutObject", FOLDER.failed_list("folded-0", 7)),
            ("finish", "s3:GetObject", FOLDER.failed_list("folded-0", 7)),
            ("finish", "s3:GetObject", FOLDER.failed(7, 9)),
            ("finish", "s3:PutObject", FOLDER.result),
            ("finish", "s3:PutObject", FOLDER.failures),
            ("state-machine", "s3:PutObject", f"{FOLDER.map_prefix}/uuid/manifest.json"),
            ("state-machine", "s3:GetObject", FOLDER.groups(1)),
        ],
    )
    def test_a_role_reaches_its_part_of_a_runs_folder(self, role: str, action: str, key: str) -> None:
        """The folder's layout and the policies are written down in two places; here they meet."""
        statements = policy_document(job_permissions(job())[role])["Statement"]

        assert is_allowed(statements, Request(action, f"arn:${{Partition}}:s3:::${{RunsBucket}}/{key}"))

    @pytest.mark.parametrize("role", ["plan", "work", "isolate", "fold", "close", "state-machine"])
    def test_only_finish_writes_the_result(self, role: str) -> None:
        """And the list of failures."""
        statements = policy_document(job_permissions(whole_job(), with_key=True)[role])["Statement"]

        for key in (FOLDER.result, FOLDER.failures):
            assert not is_allowed(statements, Request("s3:PutObject", f"arn:${{Partition}}:s3:::${{RunsBucket}}/{key}"))

    def test_tables_secrets_and_declared_permissions_are_for_the_jobs_own_code(self) -> None:
        """That is work, and finish where it takes a Context."""
        roles = job_permissions(whole_job())

        reaching = {
            role for role, each in roles.items() for s in each if s.sid in ("WriteTables", "ReadSecrets", "Declared0")
        }
        assert reaching == {"work", "finish"} == set(roles_with_context(whole_job()))

    def test_a_finish_that_takes_no_context_may_do_nothing_that_the_job_declares(self) -> None:
        """It only computes."""
        declared = job(tables={"seen": ("key",)}, writes=("exports/",), network=NETWORK)

        sids = {statement.sid for statement in job_permissions(declared)["finish"]}

        assert sids == {
            "ReadOutcome",
            "FindFailedItems",
            "ReadRunBefore",
            "FindRunBefore",
            "WriteResult",
            "GiveUpUpload",
            "KeepRecord",
            "WriteOwnLogs",
            "SendTraces",
        }

    def test_a_job_that_declares_nothing_writes_only_into_its_runs_folder(self) -> None:
        """Not into the data bucket, which it may read."""
        written = {
            resource
            for statement in job_permissions(job())["work"]
            if "s3:PutObject" in statement.actions
            for resource in statement.resources
        }

        assert all(resource.startswith("arn:${Partition}:s3:::${RunsBucket}/runs/*/") for resource in written)

    def test_a_bare_prefix_is_of_the_data_bucket(self) -> None:
        """Its name is known only where it is deployed."""
        (statement,) = (s for s in job_permissions(job(writes=("exports/",)))["work"] if s.sid == "WriteObjects")

        assert statement.resources == ("arn:${Partition}:s3:::${DataBucket}/exports/*",)

    def test_a_listing_is_bounded_to_what_the_job_reads(self) -> None:
        """By condition: ListBucket is of a whole bucket."""
        roles = job_permissions(job(source=Objects(), reads=("s3://logs/2013/", "s3://logs/2014/")))

        for role in ("plan", "state-machine"):
            (statement,) = (s for s in roles[role] if s.sid == "ListDeclaredBucket0")
            assert statement.resources == ("arn:${Partition}:s3:::logs",)
            assert statement.conditions == {"StringLike": {"s3:prefix": ("2013/*", "2014/*")}}

    def test_rows_of_listed_objects_need_both_rights(self) -> None:
        """To list, and to read what is listed; a listing alone needs no more than to list."""
        for role in ("plan", "state-machine"):
            both = {s.sid for s in job_permissions(job(source=ObjectRows("csv")))[role]}
            one = {s.sid for s in job_permissions(job(source=Objects()))[role]}

            assert {"ListDataBucket", "ReadSource"} <= both
            assert "ReadSource" not in one

    def test_versions_are_read_by_the_jobs_code_where_items_name_them(self) -> None:
        """And by nothing else."""
        roles = job_permissions(job(source=Inventory(versions=True), reads=("s3://logs/2013/",)))

        (statement,) = (s for s in roles["work"] if s.sid == "ReadVersions")
        assert statement.actions == ("s3:GetObjectVersion",)
        assert "arn:${Partition}:s3:::logs/2013/*" in statement.resources
        assert not [s for role in ("plan", "state-machine") for s in roles[role] if s.sid == "ReadVersions"]
        assert not [s for s in job_permissions(job())["work"] if s.sid == "ReadVersions"]

    def test_the_state_machine_calls_the_functions_of_its_definition(self) -> None:
        """And the map runs that it may redrive are those that it has."""
        definition = json.dumps(build_definition(job()))
        statements = {statement.sid: statement for statement in job_permissions(job())["state-machine"]}

        assert set(statements["CallFunctions"].resources) == set(re.findall(r"\$\{\w+Function\}", definition))
        assert set(map_labels(job())) == set(re.findall(r'"Label": "([\w-]+)"', definition))
        assert [r.rsplit("/")[-1] for r in statements["RedriveChildren"].resources] == [
            f"{label}:*" for label in map_labels(job())
        ]

    def test_a_network_is_joined_in_the_jobs_subnets_alone(self) -> None:
        """EC2 asks for the interface, the subnet and the security group at once."""
        (statement,) = (s for s in job_permissions(whole_job())["work"] if s.sid == "JoinNetwork")

        assert [resource.rsplit(":", 1)[1] for resource in statement.resources] == [
            "network-interface/*",
            "subnet/subnet-01234567",
            "security-group/sg-01234567",
        ]

    def test_lambda_may_remove_interfaces_as_its_guide_asks(self) -> None:
        """ "Either specify a unique resource ID, or include all resource IDs": network-interface/* is neither."""
        statements = policy_document(job_permissions(whole_job())["work"])["Statement"]

        removing = [s["Resource"] for s in statements if "ec2:DeleteNetworkInterface" in s["Action"]]

        assert removing == [["arn:${Partition}:ec2:${Region}:${Account}:*/*"]]

    def test_without_a_key_nobody_may_use_one(self) -> None:
        """With one, S3 alone uses it in a role's name."""
        without = [s for each in job_permissions(whole_job()).values() for s in each if "${Key}" in s.resources]
        with_key = [s for s in job_permissions(job(), with_key=True)["plan"] if "${Key}" in s.resources]

        assert without == []
        assert [(s.actions, s.conditions) for s in with_key] == [
            (("kms:Decrypt", "kms:GenerateDataKey"), {"StringEquals": {"kms:ViaService": "s3.${Region}.amazonaws.com"}})
        ]


class TestSharedRoles:
    def test_they_see_the_stages_machines_and_no_other(self) -> None:
        """Those whose names begin with its prefix: not another stage's, nor one of the account's without any."""
        statements = policy_document(shared_permissions()["api"])["Statement"]
        states = "arn:${Partition}:states:${Region}:${Account}"

        machines = ("${MachinePrefix}words", True), ("mapfold-other-words", False), ("words", False)
        for machine, allowed in machines:
            requests = (
                Request("states:StartExecution", f"{states}:stateMachine:{machine}"),
                Request("states:DescribeExecution", f"{states}:execution:{machine}:run-1"),
                Request("states:DescribeMapRun", f"{states}:mapRun:{machine}/words:uuid"),
            )
            assert [is_allowed(statements, request) for request in requests] == [allowed] * 3


class TestResolve:
    STATEMENT = Statement("Read", ("s3:GetObject",), ("${A}/${Table.b}",), "Why.", {"StringLike": {"k": ("${C}", "d")}})

    def test_values_stand_in_resources_and_conditions(self) -> None:
        """A value may be a token of CDK, which looks like a placeholder: it is not looked into."""
        found = resolve(self.STATEMENT, {"A": "${Token[1]}", "Table.b": "B", "C": "c"})

        assert found.resources == ("${Token[1]}/B",)
        assert found.conditions == {"StringLike": {"k": ("c", "d")}}
        assert (found.sid, found.because) == ("Read", "Why.")

    def test_what_is_missing_is_named_together(self) -> None:
        """Not one after the other."""
        with pytest.raises(UsageError, match=r"statement Read: no value for C, Table\.b"):
            resolve(self.STATEMENT, {"A": "a"})


@pytest.mark.parametrize(
    ("secret", "arn"),
    [
        ("orders/db", "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:orders/db-??????"),
        ("arn:aws:secretsmanager:r:1:secret:x-AbCdEf", "arn:aws:secretsmanager:r:1:secret:x-AbCdEf"),
    ],
)
def test_a_secrets_arn_has_six_characters_of_its_own(secret: str, arn: str) -> None:
    """Unless the job names the ARN itself."""
    assert secret_arn(secret, partition="aws-cn", region="cn-north-1", account="123456789012") == arn
