"""What a job may reach on AWS: what is right to declare, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapfold import Job, JobError, Manifest, Network, Permission
from mapfold.job import load_job

VPC, SUBNET, GROUP = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "sg-01234567"
TOPIC = "arn:${Partition}:sns:${Region}:${Account}:late-flights"


def network(**given: Any) -> Network:
    return Network(**{"vpc": VPC, "subnets": (SUBNET,), "security_groups": (GROUP,), **given})


def permission(**given: Any) -> Permission:
    return Permission(**{"actions": ("sns:Publish",), "resources": (TOPIC,), "because": "It tells of delays", **given})


def job(**declared: Any) -> Job:
    return Job("words", **{"source": Manifest(), **declared})


class TestPermission:
    def test_a_list_is_as_good_as_a_tuple(self) -> None:
        """It is kept as a tuple, for it does not change."""
        given = permission(actions=["sns:Publish"], resources=["*"])

        assert (given.actions, given.resources) == (("sns:Publish",), ("*",))

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"actions": ("sns:*",)}, "the action 'sns:*' is a pattern, which allows more than anyone has read"),
            ({"actions": ("s3:Get?bject",)}, "is a pattern"),
            ({"actions": ("*",)}, "is a pattern"),
            ({"actions": ("Publish",)}, "the action 'Publish' is none of IAM's. Write service:Action"),
            ({"actions": ()}, "actions is ()"),
            ({"actions": "sns:Publish"}, "actions is 'sns:Publish'. Write a tuple of strings"),
            ({"resources": ("late-flights",)}, "the resource 'late-flights' is no ARN. Write an ARN, in which ${Part"),
            ({"resources": ("arn:aws:sns:us-east-1:${User}:x",)}, "is no ARN"),
            ({"because": " "}, "because is ' '. Say in one sentence"),
        ],
    )
    def test_a_bad_permission_is_refused(self, given: dict[str, Any], told: str) -> None:
        """Patterns of actions above all: what is allowed can be read off the declaration."""
        with pytest.raises(JobError) as raised:
            permission(**given)

        assert told in str(raised.value)


class TestNetwork:
    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"vpc": "default"}, "vpc has 'default'. Write an id, such as vpc-0123456789abcdef0"),
            ({"subnets": ()}, "subnets is (). Name 1 to 16 of them, each once"),
            ({"subnets": (SUBNET, SUBNET)}, "each once"),
            ({"subnets": ("vpc-01234567",)}, "subnets has 'vpc-01234567'. Write an id, such as subnet-0123"),
            ({"security_groups": tuple(f"sg-0123456{n}" for n in range(6))}, "Name 1 to 5 of them"),
            ({"security_groups": "sg-01234567"}, 'Write a tuple, such as security_groups=("…",)'),
            ({"secrets": ("a secret",)}, "secrets has 'a secret'. Write its name"),
            ({"secrets": ("arn:aws:ssm:us-east-1:123456789012:parameter/x",)}, "or its ARN in Secrets Manager"),
            (
                {"secrets": ("arn:aws:secretsmanager:us-east-1:123456789012:secret:orders/database",)},
                "which lacks the hyphen and six characters that Secrets Manager ends an ARN with. Write the whole ARN",
            ),
            ({"connections": 0}, "connections is 0. Use a whole number from 1"),
            ({"connections_per_worker": None}, "connections_per_worker is None"),
            ({"connections": 3, "connections_per_worker": 4}, "connections is 3, and one worker takes 4. Allow more"),
        ],
    )
    def test_a_bad_network_is_refused(self, given: dict[str, Any], told: str) -> None:
        """Before anything is deployed, where CloudFormation would tell after minutes."""
        with pytest.raises(JobError) as raised:
            network(**given)

        assert f"Network({given.get('vpc', VPC)!r})" in str(raised.value)
        assert told in str(raised.value)

    def test_a_secret_is_named_by_its_name_or_its_whole_arn(self) -> None:
        """IAM compares ARNs whole: one without its last six characters would match nothing, and fail in the first run."""
        secrets = ("orders/database", "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders/database-a1B2c3")

        assert network(secrets=secrets).secrets == secrets

    @pytest.mark.parametrize(
        ("reserved", "connections", "per_worker", "most"),
        [(None, None, 1, None), (50, None, 1, 50), (None, 20, 3, 6), (50, 20, 1, 20), (5, 20, 1, 5)],
    )
    def test_connections_bound_how_many_batches_run_at_once(
        self, reserved: int | None, connections: int | None, per_worker: int, most: int | None
    ) -> None:
        """The lower of what Lambda reserves and what the database has connections for."""
        declared = job(
            reserved_concurrency=reserved, network=network(connections=connections, connections_per_worker=per_worker)
        )

        assert declared.most_at_once == most

    def test_a_finish_that_takes_a_context_has_connections_of_its_own(self) -> None:
        """As many as a worker; together they are what the database allows. Without a context it opens none."""
        declared = job(network=network(connections=20, connections_per_worker=3))
        alone = declared.most_at_once
        declared.finish(lambda partial, context: partial)

        assert (alone, declared.most_at_once) == (6, 5)

    def test_a_finish_that_takes_all_connections_is_said(self) -> None:
        """No batch could run."""
        declared = job(network=network(connections=1))
        declared.map(lambda item, context: 1)
        declared.fold(lambda one, other: one + other)
        declared.finish(lambda partial, context: partial)

        with pytest.raises(JobError, match=r"connections is 1, and @job\.finish with a context takes them all"):
            declared.check()


class TestJob:
    @pytest.mark.parametrize(
        ("declared", "told"),
        [
            ({"ephemeral_storage_mb": 100}, "ephemeral_storage_mb is 100. Use a whole number from 512 to 10,240"),
            ({"reserved_concurrency": 0}, "reserved_concurrency is 0"),
            (
                {"environment": {"AWS_REGION": "x"}},
                "environment has AWS_REGION, which is Lambda's own. Give it another",
            ),
            ({"environment": {"MAPFOLD_JOB": "x"}}, "which is Mapfold's own"),
            ({"environment": {"A": "x"}}, "environment has 'A'. Use two or more letters"),
            ({"environment": {"LEVEL": 3}}, "environment has 'LEVEL': 3. Names and values are strings"),
            (
                {"environment": {"TEXT": "ü" * 1_600}},
                "environment has 3,204 bytes; 3,072 of Lambda's 4 KB are the job's",
            ),
            ({"reads": "s3://logs/"}, "reads is 's3://logs/'. Write a tuple: reads=('s3://logs/',)"),
            ({"reads": ("s3://logs",)}, "reads: 's3://logs' names no objects in S3. Write s3://BUCKET/PREFIX"),
            ({"reads": ("https://logs/a",)}, "names no objects in S3"),
            ({"writes": ("exports/*",)}, "writes: 'exports/*' has a character that IAM takes for a pattern"),
            ({"writes": ("s3://mapfold-data/x/",)}, "names the data bucket as the embedded AWS calls it"),
            ({"writes": ("/exports",)}, "a key does not begin with /. Write 'exports'"),
            ({"permissions": ("sns:Publish",)}, "permissions has 'sns:Publish'. Use Permission("),
            ({"permissions": permission()}, "Write a tuple: permissions=(Permission("),
            ({"network": VPC}, f"network is {VPC!r}. Use Network("),
            (
                {"requirements": "gone.lock"},
                "requirements names 'gone.lock', and there is no such file beside the module",
            ),
            ({"requirements": "../a.lock"}, "Write the name of a lock file beside the module"),
        ],
    )
    def test_a_bad_declaration_is_refused(self, declared: dict[str, Any], told: str) -> None:
        """The message names the field, what was found, and what is allowed."""
        with pytest.raises(JobError) as raised:
            job(**declared)

        assert told in str(raised.value)


class TestRequirements:
    PINNED = "pg8000==1.31.2 ; python_version >= '3.11' \\\n    --hash=sha256:" + "a" * 64 + "\n    # via -r x\n"

    def declare(self, folder: Path, lock: str) -> Job:
        """A job whose module lies in `folder`, beside its lock."""
        (folder / "words.lock").write_text(lock)
        (folder / "words.py").write_text(
            "from mapfold import Job, Manifest\n"
            'job = Job("words", source=Manifest(), requirements="words.lock")\n'
            "job.map(lambda item, context: 1)\njob.fold(lambda a, b: a + b)\n"
        )
        return load_job(folder, "words")

    def test_a_lock_with_hashes_is_found_beside_the_module(self, tmp_path: Path) -> None:
        """Comments and continued lines are as pip-compile and uv write them."""
        declared = self.declare(tmp_path, f"# made by pip-compile\n{self.PINNED}")

        assert declared.requirements_file == tmp_path / "words.lock"

    def test_in_a_function_the_lock_need_not_be_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its packages are deployed with the job's module; the lock is not."""
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "mapfold-words-work")

        assert job(requirements="words.lock").requirements == "words.lock"

    @pytest.mark.parametrize(
        "line", ["pg8000", "pg8000==1.31.2", "pg8000>=1 --hash=sha256:" + "a" * 64, "--index-url https://x", "./wheels"]
    )
    def test_a_line_that_is_not_pinned_is_refused(self, tmp_path: Path, line: str) -> None:
        """Two deployments of one commit have the same packages."""
        with pytest.raises(JobError, match=r"which is not pinned by version and sha256\. Make it with `pip-compile"):
            self.declare(tmp_path, f"{self.PINNED}{line}\n")
