"""Tasks of service integrations, and what tests look at in their histories."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.engine.world import Ended, World


def call(resource: str, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """A machine of one Task: `arn:aws:states:::<resource>`."""
    fields = fields if "Next" in fields else {**fields, "End": True}
    parameters = {} if arguments is None else {"Parameters": arguments}
    return {"Call": {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", **parameters, **fields}}


def call_with_input(resource: str) -> dict[str, Any]:
    """A machine of one Task whose arguments are known when it runs: the execution's input."""
    arguments = {"QueryLanguage": "JSONata", "Arguments": "{% $states.input %}"}
    return call(resource, **arguments)


async def failure(world: World, resource: str, arguments: Any, **fields: Any) -> tuple[str, str]:
    """Error and cause of the task's failure."""
    ended = await world.run(call(resource, arguments, **fields))
    details = ended.details("TaskFailed")
    return details["error"], details["cause"]


def middle(ended: Ended) -> list[str]:
    """The types of the events between the state's entry and its exit, or the execution's end."""
    return [type_ for type_ in ended.types[2:-1] if type_ != "TaskStateExited"]


def output_of(ended: Ended, type_: str) -> Any:
    """The output that an event has."""
    return json.loads(ended.details(type_)["output"])
