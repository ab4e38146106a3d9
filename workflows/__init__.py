"""A job's state machine, as a plain dict: the same one for the embedded AWS, for CDK, and for Workflow Studio.

definition = build_definition(job)          # placeholders such as ${WorkFunction} in it
checked_definition(job)                     # the same, or an error with all that Step Functions would refuse
substitute(definition, {"WorkFunction": arn, …, "RunsBucket": "mapfold-runs"})
render(definition)                          # the text of workflows/JOB.asl.json

It is built in `definition.py`, which is not imported before it is asked for: the mistakes in it are told by `building.py`.
"""

from workflows.building import authored, build_definition, checked_definition
from workflows.placeholders import PLACEHOLDERS
from workflows.rendering import render, substitute

__all__ = ["PLACEHOLDERS", "authored", "build_definition", "checked_definition", "render", "substitute"]
