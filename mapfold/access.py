"""What a job's functions may reach beside Mapfold's own buckets and tables: S3 prefixes, other calls, a network.

A job declares it, `workflows.permissions` makes IAM statements of it, and nothing else is allowed on AWS. The embedded
AWS asks for no permission.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mapfold.errors import JobError
from mapfold.limits import LAMBDA_SECURITY_GROUPS, LAMBDA_SUBNETS
from mapfold.storage import DATA_BUCKET

__all__ = ["Network", "Permission", "is_arn", "prefix_mistake", "split_prefix"]

_ACTION = re.compile(r"[a-z0-9][a-z0-9-]*:[A-Z][A-Za-z0-9]*")
_ARN = re.compile(r"arn:(aws[a-z-]*|\$\{Partition\}):[a-z0-9-]+:[^\s:]*:[^\s:]*:\S+")
_SUBSTITUTED = ("Partition", "Region", "Account", "DataBucket")
"""What a permission's resource may leave to the deployment, as `${Region}`."""
_ID = r"-([0-9a-f]{8}|[0-9a-f]{17})"
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}")
_SECRET_ARN_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SPECIAL = re.compile(r"[*?]|\$\{")
"""What IAM would read as a pattern or a variable."""

Mistake = tuple[str, str]
"""What is wrong, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One more thing that the job's own code may do on AWS, such as publishing to a topic.

    actions: by IAM's names, such as "sns:Publish", each of them whole. resources: ARNs, in which `${Partition}`,
    `${Region}`, `${Account}` and `${DataBucket}` are filled in at deployment. because: one sentence for who reads the
    policy.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    because: str

    def __post_init__(self) -> None:
        at = f"Permission({self.actions!r})"
        for field in ("actions", "resources"):
            value = getattr(self, field)
            if isinstance(value, str) or not value or not all(isinstance(member, str) for member in value):
                fix = f'Write a tuple of strings, such as {field}=("…",)'
                raise JobError(f"{field} is {value!r}", at=at, fix=fix)
            object.__setattr__(self, field, tuple(value))
        for action in self.actions:
            _check_action(action, at)
        for resource in self.resources:
            _check_resource(resource, at)
        if not isinstance(self.because, str) or not self.because.strip():
            fix = "Say in one sentence what the job needs it for: `mapfold policy` shows it"
            raise JobError(f"because is {self.because!r}", at=at, fix=fix)


@dataclass(frozen=True, slots=True)
class Network:
    """The network in which the functions run that hold the job's connections, and the secrets that open them.

    secrets: names or ARNs in Secrets Manager, for `context.secret(name)`. connections: how many the database allows to
    this job; no more batches run at once than fit, of all runs together, with `connections_per_worker` for each, and as
    many for a `@job.finish` that takes a Context.
    On the embedded AWS the functions are in this machine's network, and secrets and connections are as on AWS.
    """

    vpc: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    connections: int | None = None
    connections_per_worker: int = 1

    def __post_init__(self) -> None:
        at = f"Network({self.vpc!r})"
        for field in ("subnets", "security_groups", "secrets"):
            value = getattr(self, field)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise JobError(f"{field} is {value!r}", at=at, fix=f'Write a tuple, such as {field}=("…",)')
            object.__setattr__(self, field, tuple(value))
        self._check_id("vpc", self.vpc, "vpc", at)
        self._check_ids("subnets", self.subnets, "subnet", LAMBDA_SUBNETS, at)
        self._check_ids("security_groups", self.security_groups, "sg", LAMBDA_SECURITY_GROUPS, at)
        for secret in self.secrets:
            _check_secret(secret, at)
        self._check_connections(at)

    @property
    def most_workers(self) -> int | None:
        """Workers that the connections are enough for; None where they are not limited."""
        return None if self.connections is None else self.connections // self.connections_per_worker

    def _check_ids(self, field: str, ids: tuple[str, ...], kind: str, most: int, at: str) -> None:
        if not 1 <= len(ids) <= most or len(set(ids)) < len(ids):
            fix = f"Name 1 to {most} of them, each once: Lambda takes no more"
            raise JobError(f"{field} is {ids!r}", at=at, fix=fix)
        for value in ids:
            self._check_id(field, value, kind, at)

    def _check_id(self, field: str, value: object, kind: str, at: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(kind + _ID, value):
            fix = f"Write an id, such as {kind}-0123456789abcdef0 (8 or 17 hexadecimal digits)"
            raise JobError(f"{field} has {value!r}", at=at, fix=fix)

    def _check_connections(self, at: str) -> None:
        for field, value in (
            ("connections", self.connections),
            ("connections_per_worker", self.connections_per_worker),
        ):
            if value is None and field == "connections":
                continue
            if type(value) is not int or value < 1:
                raise JobError(f"{field} is {value!r}", at=at, fix="Use a whole number from 1")
        if self.most_workers == 0:
            problem = f"connections is {self.connections}, and one worker takes {self.connections_per_worker}"
            raise JobError(problem, at=at, fix="Allow more connections, or let a worker open fewer")


def prefix_mistake(prefix: object) -> Mistake | None:
    """What is wrong with a member of a job's `reads` or `writes`, if anything."""
    fix = "Write s3://BUCKET/PREFIX, or a prefix alone for the data bucket"
    if not isinstance(prefix, str) or not prefix:
        return f"{prefix!r} names no objects in S3", fix
    if _SPECIAL.search(prefix):
        return f"{prefix!r} has a character that IAM takes for a pattern", "Write the prefix without *, ? and ${"
    if "://" not in prefix:
        return ("a key does not begin with /", f"Write {prefix.lstrip('/')!r}") if prefix.startswith("/") else None
    bucket, slash, _ = prefix.removeprefix("s3://").partition("/")
    if not prefix.startswith("s3://") or not slash or not _BUCKET.fullmatch(bucket):
        return f"{prefix!r} names no objects in S3", fix
    if bucket == DATA_BUCKET:
        problem = f"{prefix!r} names the data bucket as the embedded AWS calls it, and on AWS its name is another"
        return problem, "Write the prefix alone, and name objects by their bare keys"
    return None


def split_prefix(prefix: str) -> tuple[str | None, str]:
    """Bucket and prefix of a member of `reads` or `writes`; the bucket is None for the data bucket."""
    if "://" not in prefix:
        return None, prefix
    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    return bucket, key


def is_arn(text: str) -> bool:
    """Whether a secret is named by its ARN, and not by its name alone."""
    return text.startswith("arn:")


def _check_action(action: str, at: str) -> None:
    if "*" in action or "?" in action:
        fix = "Name each action that the job's code needs, such as sns:Publish"
        raise JobError(f"the action {action!r} is a pattern, which allows more than anyone has read", at=at, fix=fix)
    if not _ACTION.fullmatch(action):
        fix = "Write service:Action as IAM has it, such as sns:Publish"
        raise JobError(f"the action {action!r} is none of IAM's", at=at, fix=fix)


def _check_resource(resource: str, at: str) -> None:
    if resource == "*":  # some actions know nothing narrower, and which ones is for IAM to say
        return
    known = resource
    for name in _SUBSTITUTED:
        known = known.replace(f"${{{name}}}", name)
    if not _ARN.fullmatch(resource) or "${" in known:
        filled = ", ".join(f"${{{name}}}" for name in _SUBSTITUTED)
        fix = f'Write an ARN, in which {filled} may stand, or "*" where the actions know nothing narrower'
        raise JobError(f"the resource {resource!r} is no ARN", at=at, fix=fix)


def _check_secret(secret: object, at: str) -> None:
    allowed = _SECRET_ARN if isinstance(secret, str) and is_arn(secret) else _SECRET_NAME
    if not isinstance(secret, str) or not allowed.fullmatch(secret):
        fix = "Write its name (letters, digits and /_+=.@-) or its ARN in Secrets Manager"
        raise JobError(f"secrets has {secret!r}", at=at, fix=fix)
    if is_arn(secret) and not _SECRET_ARN_SUFFIX.search(secret):
        problem = (
            f"secrets has {secret!r}, which lacks the hyphen and six characters that Secrets Manager ends an ARN with"
        )
        fix = "Write the whole ARN, as `aws secretsmanager describe-secret` shows it, or the secret's name alone"
        raise JobError(problem, at=at, fix=fix)
