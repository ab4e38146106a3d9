"""The language itself accepts what `workflows` builds."""

from __future__ import annotations

import pytest

from mapfold import CsvRows, Job, JsonArray, JsonLines, Manifest, Objects
from mapfold.sources import Source
from mapfold.states import compile_machine
from workflows import PLACEHOLDERS, build_definition, substitute


@pytest.mark.parametrize("source", [Manifest(), CsvRows(), JsonLines(), JsonArray("/a"), Objects()])
def test_every_source_makes_a_valid_machine(source: Source) -> None:
    """`compile_machine` reports all that CreateStateMachine would refuse."""
    values = {name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in PLACEHOLDERS}

    compiled = compile_machine(substitute(build_definition(Job("words", source=source)), values))

    assert compiled.scope.start_at == "Plan"
