"""A job's state machine, as a plain dict: the same one for the embedded AWS, for CDK, and for Workflow Studio.

definition = build_definition(job)          # placeholders such as ${WorkFunction} in it
substitute(definition, {"WorkFunction": arn, …, "RunsBucket": "mapfold-runs"})
render(definition)                          # the text of workflows/JOB.asl.json
"""

from workflows.definition import PLACEHOLDERS, build_definition
from workflows.rendering import render, substitute

__all__ = ["PLACEHOLDERS", "build_definition", "render", "substitute"]
