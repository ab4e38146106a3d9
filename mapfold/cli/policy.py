"""`mapfold policy`: what each role may do on AWS and why, for a person or as IAM policy documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.client.values import Json
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from workflows.permissions import Statement

Roles = Mapping[str, Sequence["Statement"]]


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What is asked for: the roles of `job`, or those that a stage's jobs share; one `role` of them, or all."""

    job: str | None
    shared: bool
    role: str | None
    with_key: bool
    place: Place
    jobs_folder: Path
    as_json: bool


def policy(options: PolicyOptions, factory: Factory, output: Output) -> int:
    """`mapfold policy JOB` and `mapfold policy --shared`."""
    if (options.job is None) is not options.shared:
        raise UsageError("name a JOB to see the roles of its own, or --shared for those of api, start and watch")
    if options.place.on == "aws":
        with factory.connect(options.place, output.note) as connection:
            roles = _named(_roles(options, factory), connection)
    else:
        roles = _roles(options, factory)
    if options.role is not None:
        roles = {options.role: roles[options.role]} if options.role in roles else _no_role(options.role, roles)
    if options.as_json:
        output.document({"job": options.job, "roles": {role: _document(each) for role, each in roles.items()}})
    else:
        output.facts(_text(roles))
    return 0


def _roles(options: PolicyOptions, factory: Factory) -> Roles:
    from workflows import authored

    with authored():
        from workflows.permissions import job_permissions, shared_permissions

        if options.job is not None:
            return job_permissions(factory.job(options.jobs_folder, options.job), with_key=options.with_key)
        return shared_permissions(with_key=options.with_key)


def _named(roles: Roles, connection: Connection) -> Roles:
    """With the names that the stack tells; what it does not tell, such as a log group's name, stays a placeholder."""
    from workflows.permissions import resolve

    aws = connection.aws
    told = {
        "Partition": aws.target.partition,
        "Region": aws.region,
        "Account": aws.account,
        "MachinePrefix": aws.target.machine_prefix,
        "DataBucket": aws.target.data_bucket,
        "RunsBucket": aws.target.runs_bucket,
        "RunsTable": aws.target.runs_table,
    }

    def named(statement: Statement) -> Statement:
        untold = {name: f"${{{name}}}" for name in statement.placeholders()}
        return resolve(statement, {**untold, **told})

    return {role: tuple(map(named, statements)) for role, statements in roles.items()}


def _no_role(role: str, roles: Roles) -> Roles:
    raise UsageError(f"there is no role {role!r}. There are: {', '.join(roles)}")


def _document(statements: Sequence[Statement]) -> dict[str, Json]:
    from workflows.permissions import policy_document

    return {"policy": policy_document(statements), "because": {each.sid: each.because for each in statements}}


def _text(roles: Roles) -> Iterator[str]:
    for number, (role, statements) in enumerate(roles.items()):
        if number:
            yield ""
        yield role
        for statement in statements:
            yield ""
            yield f"  {statement.sid}: {statement.because}"
            yield from _labelled("allow", statement.actions)
            yield from _labelled("on", statement.resources)
            yield from _labelled("if", _conditions(statement))


def _conditions(statement: Statement) -> Iterator[str]:
    for operator, keys in statement.conditions.items():
        for key, value in keys.items():
            values = (value,) if isinstance(value, str) else value
            yield f"{key} {operator} {' or '.join(values)}"


def _labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"    {'' if number else label:<7}{line}"
