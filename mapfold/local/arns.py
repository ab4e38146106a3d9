"""ARNs and names of Step Functions, as AWS forms them (service-api 1, distributed-map 8).

    stateMachine:<machine>                      stateMachine:<machine>:<version or alias>
    stateMachine:<machine>/<label>              what the children of a map run belong to
    execution:<machine>:<name>                  execution:<machine>/<label>:<uuid>         a map run's child
    express:<machine>:<name>:<uuid>
    mapRun:<machine>/<label>:<uuid>             activity:<name>

No page of AWS shows the ARN of an EXPRESS child; ours has the form of a STANDARD one's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from mapfold.errors import MapfoldError

ACCOUNT = "123456789012"
"""The account of everything local: moto's default."""


class Kind(StrEnum):
    """The resource type in an ARN of Step Functions, spelled as there."""

    STATE_MACHINE = "stateMachine"
    EXECUTION = "execution"
    EXPRESS = "express"
    MAP_RUN = "mapRun"
    ACTIVITY = "activity"


class ArnError(MapfoldError):
    """A text is not an ARN of Step Functions, or one of another kind. `reason` is what AWS puts in InvalidArn."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid Arn: '{reason}'")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN of Step Functions, taken apart.

    `name`: the execution's name (for a child and a map run: the uuid), or the version or alias of a state machine.
    `uuid`: of an EXPRESS execution only.
    """

    kind: Kind
    machine: str
    label: str | None = None
    name: str | None = None
    uuid: str | None = None
    region: str = "us-east-1"
    account: str = ACCOUNT
    partition: str = "aws"

    def __str__(self) -> str:
        owner = f"{self.machine}/{self.label}" if self.label is not None else self.machine
        tail = ":".join(part for part in (owner, self.name, self.uuid) if part is not None)
        return f"arn:{self.partition}:states:{self.region}:{self.account}:{self.kind}:{tail}"

    @property
    def is_child(self) -> bool:
        """Whether this is an execution that a map run started."""
        return self.label is not None and self.kind is Kind.EXECUTION

    @property
    def machine_arn(self) -> str:
        """ARN of the state machine that this belongs to, without a label, version or alias."""
        return str(Arn(Kind.STATE_MACHINE, self.machine, **self._home()))

    @property
    def labelled_machine_arn(self) -> str:
        """`stateMachine:<machine>/<label>` for a map run or a child; `machine_arn` for everything else."""
        return str(Arn(Kind.STATE_MACHINE, self.machine, self.label, **self._home()))

    def _home(self) -> dict[str, str]:
        return {"region": self.region, "account": self.account, "partition": self.partition}


def parse_arn(text: str) -> Arn:
    """Take an ARN apart, or raise ArnError with AWS's reason."""
    parts = text.split(":")
    if len(parts) < 7 or parts[0] != "arn" or not parts[1].startswith("aws") or parts[2] != "states":
        raise ArnError(f"Invalid ARN prefix: {text}")
    kind = _KINDS.get(parts[5])
    if kind is None:
        raise ArnError(f"Resource type not valid in this context: {parts[5]}")
    least, most = _TAILS[kind]
    tail = parts[6:]
    machine, slash, label = tail[0].partition("/")
    if not least <= len(tail) <= most or not all(tail) or not machine or bool(slash) != bool(label):
        raise ArnError(f"Invalid ARN: {text}")
    if (kind is Kind.MAP_RUN and not slash) or (kind is Kind.ACTIVITY and slash):
        raise ArnError(f"Invalid ARN: {text}")
    return Arn(
        kind,
        machine,
        label if slash else None,
        tail[1] if len(tail) > 1 else None,
        tail[2] if len(tail) > 2 else None,
        region=parts[3],
        account=parts[4],
        partition=parts[1],
    )


def expect_arn(text: str, *kinds: Kind) -> Arn:
    """Take an ARN of one of `kinds` apart; any other raises ArnError as AWS words it."""
    arn = parse_arn(text)
    if arn.kind not in kinds:
        raise ArnError(f"Resource type not valid in this context: {arn.kind}")
    return arn


_KINDS = {str(kind): kind for kind in Kind}
_TAILS = {  # how many parts follow the resource type
    Kind.STATE_MACHINE: (1, 2),
    Kind.EXECUTION: (2, 2),
    Kind.EXPRESS: (3, 3),
    Kind.MAP_RUN: (2, 2),
    Kind.ACTIVITY: (1, 1),
}


# --- making -----------------------------------------------------------------------------------------------


def state_machine_arn(machine: str, *, region: str, label: str | None = None) -> str:
    """ARN of a state machine, or with `label` the one that a map run's children belong to."""
    return str(Arn(Kind.STATE_MACHINE, machine, label, region=region))


def execution_arn(machine: str, name: str, *, region: str) -> str:
    """ARN of a STANDARD execution."""
    return str(Arn(Kind.EXECUTION, machine, name=name, region=region))


def express_arn(machine: str, name: str, uuid: str, *, region: str) -> str:
    """ARN of an EXPRESS execution; `uuid` tells executions of the same name apart."""
    return str(Arn(Kind.EXPRESS, machine, name=name, uuid=uuid, region=region))


def map_run_arn(machine: str, label: str, uuid: str, *, region: str) -> str:
    """ARN of a map run."""
    return str(Arn(Kind.MAP_RUN, machine, label, uuid, region=region))


def activity_arn(name: str, *, region: str) -> str:
    """ARN of an activity."""
    return str(Arn(Kind.ACTIVITY, name, region=region))


def child_arn(map_run: Arn, uuid: str) -> str:
    """ARN of a child execution of `map_run`."""
    home = {"region": map_run.region, "account": map_run.account, "partition": map_run.partition}
    return str(Arn(Kind.EXECUTION, map_run.machine, map_run.label, uuid, **home))


# --- names ------------------------------------------------------------------------------------------------

_FORBIDDEN = re.compile(r"""[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]""")


def is_valid_name(name: str) -> bool:
    """Whether a state machine or an execution may be called `name` (API Reference: CreateStateMachine, StartExecution)."""
    return 1 <= len(name) <= 80 and _FORBIDDEN.search(name) is None


_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


def is_role_arn(text: str) -> bool:
    """Whether a text has the form of an IAM role's ARN."""
    return _ROLE.fullmatch(text) is not None
