"""Names and ARNs of a job's resources, and what can be read out of an execution's ARN (service-api.md 1)."""

from __future__ import annotations

MACHINE_PREFIX = "mapfold-"
"""What the names of the embedded AWS's state machines and functions begin with; on AWS it is the stack's name and `-`."""

FOLD_LABEL = "FoldGroups"
"""Label of the map runs that merge partials. The one over a job's items has the job's name."""

LISTED_LABEL = "Listed"
"""Label of the map run over a job's items where Plan listed them."""

ISOLATE_LABEL = "Isolate"
"""Label of the map runs over pieces of batches whose worker died: items that the map run before them had already."""


def machine_name(job: str, *, prefix: str = MACHINE_PREFIX) -> str:
    """The state machine of a job."""
    return prefix + job


def machine_arn(job: str, *, region: str, account: str, prefix: str = MACHINE_PREFIX, partition: str = "aws") -> str:
    """The ARN of a job's state machine."""
    return f"arn:{partition}:states:{region}:{account}:stateMachine:{machine_name(job, prefix=prefix)}"


def execution_arn(machine_arn: str, name: str) -> str:
    """The ARN of the STANDARD execution `name` of a state machine."""
    return machine_arn.replace(":stateMachine:", ":execution:", 1) + f":{name}"


def function_name(job: str, role: str) -> str:
    """The Lambda function of a job that plays `role`: plan, work, isolate, fold, finish or close."""
    return f"{MACHINE_PREFIX}{job}-{role}"


def function_arn(job: str, role: str, *, region: str, account: str) -> str:
    return f"arn:aws:lambda:{region}:{account}:function:{function_name(job, role)}"


def is_execution_arn(text: str) -> bool:
    """Whether `text` is the ARN of an execution, a map run's child included, and not a run's name."""
    return text.startswith("arn:") and (":execution:" in text or ":express:" in text)


def job_of(machine: str, *, prefix: str = MACHINE_PREFIX) -> str:
    """The job whose state machine has this name or ARN."""
    return machine.rsplit(":", 1)[-1].removeprefix(prefix)


def is_map_run_arn(text: str) -> bool:
    """Whether `text` is the ARN of a map run."""
    return text.startswith("arn:") and ":mapRun:" in text


def run_id_of(arn: str) -> str:
    """The run that an execution's ARN names: the execution's name."""
    return arn.rsplit(":", 1)[-1]


def label_of(map_run_arn: str) -> str:
    """The Map state's Label in `…:mapRun:<machine>/<label>:<uuid>`."""
    return map_run_arn.rsplit(":", 2)[-2].rsplit("/", 1)[-1]


def is_of_items(label: str) -> bool:
    """Whether a map run with this label is the one over the job's items."""
    return label not in (FOLD_LABEL, ISOLATE_LABEL)


def is_isolation(label: str) -> bool:
    """Whether a map run with this label is a round of the isolation of items that kill their worker."""
    return label == ISOLATE_LABEL


def map_state_of(label: str) -> str:
    """The name of the Map state whose map runs have this label."""
    return _STATES.get(label, "Map")


_STATES = {LISTED_LABEL: "MapListed", ISOLATE_LABEL: "IsolatePieces", FOLD_LABEL: "FoldGroups"}
