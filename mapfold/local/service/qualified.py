"""Which machine, version or alias an ARN stands for.

stateMachine:<machine>           the machine as it is now
stateMachine:<machine>:<number>  a version: a revision that stays
stateMachine:<machine>:<name>    an alias, which leads to one or two versions
stateMachine:<machine>/<label>   what the children of a map run belong to: its machine
"""

from __future__ import annotations

from dataclasses import replace

from mapfold.local.arns import Arn
from mapfold.local.service.context import Service
from mapfold.local.service.deleting import is_deleting, settle
from mapfold.local.service.faults import Fault, labelled_arn_refused, machine_deleting, machine_missing
from mapfold.local.store import AliasRow, MachineRow, VersionRow


def find_machine(service: Service, arn: Arn) -> MachineRow:
    """The machine that an ARN belongs to as it is now; a label is looked through. StateMachineDoesNotExist.

    An ARN of a version or an alias stands for no machine.
    """
    settle(service)
    row = None if arn.name is not None else service.store.machine(arn.machine_arn)
    if row is None:
        raise machine_missing(str(arn))
    return row


def find_owner(service: Service, arn: Arn) -> MachineRow:
    """The machine of a version or alias that there is, or the machine itself. StateMachineDoesNotExist."""
    if arn.name is not None and find_version(service, arn) is None and find_alias(service, arn) is None:
        raise machine_missing(str(arn))
    owner = find_machine(service, replace(arn, name=None))
    return owner


def find_changeable(service: Service, arn: Arn) -> MachineRow:
    """A machine that may be changed or published. StateMachineDeleting if it was told to go."""
    if arn.label is not None:
        raise labelled_arn_refused(str(arn))
    row = find_machine(service, arn)
    if is_deleting(service, row.arn):
        raise machine_deleting(row.arn)
    return row


async def find_startable(service: Service, arn: Arn) -> MachineRow:
    """What StartExecution starts by an ARN: a machine, or one of its versions, which an alias may choose.

    The row of a version has its `version_arn`, and the `alias_arn` that chose it.
    """
    if arn.label is not None:
        raise labelled_arn_refused(str(arn))
    if arn.name is None:
        return find_changeable(service, arn)
    version, alias = find_version(service, arn), find_alias(service, arn)
    if alias is not None:
        version = service.store.publishing.version(alias.machine_arn, choose_route(alias, service.random()))
    if version is None:
        raise machine_missing(str(arn))
    find_changeable(service, replace(arn, name=None))
    row = await machine_of_version(service, version)
    return row if alias is None else replace(row, alias_arn=alias.arn)


def choose_route(alias: AliasRow, chance: float) -> str:
    """The version that an alias leads to this time. `chance`: 0 (included) to 1 (excluded)."""
    (first, weight), *others = alias.routes
    return first if not others or chance * 100 < weight else others[0][0]


async def machine_of_version(service: Service, version: VersionRow) -> MachineRow:
    """The machine as the version has it, with its `version_arn`."""
    row = await service.store.machine_revision(version.revision)
    if row is None:
        raise Fault("InternalFailure", f"Revision {version.revision} of {version.machine_arn} is not kept", status=500)
    return replace(row, version_arn=version.arn)


def find_version(service: Service, arn: Arn) -> VersionRow | None:
    """The version that an ARN stands for, if it is one that there is."""
    return service.store.publishing.version(arn.machine_arn, str(arn))


def find_alias(service: Service, arn: Arn) -> AliasRow | None:
    """The alias that an ARN stands for, if it is one that there is."""
    return service.store.publishing.alias(arn.machine_arn, str(arn))
