"""State machines that were told to go: DELETING while executions of them run, gone with the last.

Nobody waits for that end. Who looks at machines next (`settle`) finds that nothing runs any more, and takes them away.
"""

from __future__ import annotations

from dataclasses import replace

from mapfold.local.service.context import Service
from mapfold.local.store import MachineRow


def settle(service: Service) -> None:
    """Take away what was told to go and has nothing left that runs. Costs nothing where nothing was."""
    for arn in service.store.publishing.deleting():
        if not service.engine.runs_machine(arn):
            forget(service, arn)


def begin_deletion(service: Service, row: MachineRow) -> None:
    """Let a machine go: at once if nothing of it runs or it is EXPRESS, otherwise when its executions have ended.

    Those end at their next transition.
    """
    if row.type == "EXPRESS" or not service.engine.runs_machine(row.arn):
        forget(service, row.arn)
        return
    publishing = service.store.publishing
    publishing.put_creation(replace(publishing.creation(row.arn), deleting=service.clock()))
    service.engine.end_executions(row.arn)


def is_deleting(service: Service, arn: str) -> bool:
    """Whether the machine with this ARN was told to go and has not gone yet."""
    return service.store.publishing.creation(arn).deleting is not None


def forget(service: Service, arn: str) -> None:
    """Take a machine away with its versions and aliases. Its executions and what they ran stay."""
    service.store.delete_machine(arn)
    service.store.publishing.forget_machine(arn)
