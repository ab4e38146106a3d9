"""Histories of executions that end because a path led nowhere."""

from __future__ import annotations

from tests.unit.engine.world import World, parallel, pass_

NOWHERE = pass_(Parameters={"k.$": "$.no"})


async def test_the_cause_has_the_input_as_it_was_sent_and_the_state_s_event(world: World) -> None:
    """The escapes of the execution's input come through states that hand it on; no event tells of the failure itself."""
    ended = await world.run({"First": pass_(Next="Second"), "Second": NOWHERE}, {"é": 1})

    sent = '{"\\u00e9":1}'
    cause = (
        "An error occurred while executing the state 'Second' (entered at the event id #4). "
        f"The JSONPath '$.no' specified for the field 'k.$' could not be found in the input '{sent}'"
    )
    assert ended.failure == ("FAILED", "States.Runtime", cause)
    assert ended.line == [
        ("ExecutionStarted", 0),
        ("PassStateEntered", 0),
        ("PassStateExited", 2),
        ("PassStateEntered", 3),
        ("ExecutionFailed", 4),
    ]
    assert ended.details("ExecutionFailed") == {"error": "States.Runtime", "cause": cause}


async def test_nothing_around_a_branch_catches_it(world: World) -> None:
    """States.Runtime is not for a Catch, of the state or of a Parallel around it, whatever that names."""
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "After"}]

    ended = await world.run({"Both": parallel({"In": NOWHERE}, Catch=catch), "After": pass_()})

    assert ended.failure[:2] == ("FAILED", "States.Runtime")
    assert ended.types[-2:] == ["PassStateEntered", "ExecutionFailed"]


async def test_a_result_without_a_place_fails_in_words_without_the_state(world: World) -> None:
    """The service gives this cause as it is."""
    ended = await world.run({"Only": pass_(Result=1, ResultPath="$.a")}, [1, 2])

    cause = 'Unable to apply step "a" to input [1,2]'
    assert ended.failure == ("FAILED", "States.ReferencePathConflict", cause)
    assert ended.details("ExecutionFailed") == {"error": "States.ReferencePathConflict", "cause": cause}
