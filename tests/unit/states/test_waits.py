"""Wait states whose time comes from the input: what is taken, what is refused, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mapfold.states import EndScope, FailScope, Json

from .conftest import START, RunMachine, one_state

PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "


@pytest.mark.parametrize(("value", "slept"), [(0, []), (3, [3]), ("4", [4]), (99_999_999, [99_999_999])])
def test_seconds_path_takes_whole_numbers(run_machine: RunMachine, value: Json, slept: list[float]) -> None:
    """Written as a number, or as a string that is one. The string is unconfirmed."""
    end, world = run_machine(one_state({"Type": "Wait", "SecondsPath": "$.p"}), {"p": value})

    assert (end, world.sleeps) == (EndScope({"p": value}), slept)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-1, "references a negative value: $.p == -1"),
        (1.5, "cannot be parsed as a long value: $.p == 1.5"),
        (1.0, "cannot be parsed as a long value: $.p == 1.0"),
        ("soon", "cannot be parsed as a long value: $.p == soon"),
        (True, "cannot be parsed as a long value: $.p == true"),
        ({"a": 1}, "cannot be parsed as a long value: $.p == {a=1}"),
        (None, "does not reference an input value: $.p"),
    ],
)
def test_seconds_path_refuses_other_values(run_machine: RunMachine, value: Json, problem: str) -> None:
    """The value stands in the cause as Java prints it; null is as if nothing were there."""
    end, _ = run_machine(one_state({"Type": "Wait", "SecondsPath": "$.p"}), {"p": value})

    assert end == FailScope("States.Runtime", f"{PREFIX}The SecondsPath parameter {problem}", catchable=False)


@pytest.mark.parametrize("value", ["2025-01-31T12:01:00Z", "2025-01-31t12:01:00z", "2025-01-31T14:01+02:00"])
@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Wait", "TimestampPath": "$.p"},
        {"Type": "Wait", "Timestamp": "{% $states.input.p %}", "QueryLanguage": "JSONata"},
    ],
)
def test_a_timestamp_that_is_found_is_read_as_java_reads_it(
    run_machine: RunMachine, state: dict[str, Json], value: str
) -> None:
    """The case of T and Z does not count, and seconds may be left out: ISO_OFFSET_DATE_TIME."""
    _, world = run_machine(one_state(state), {"p": value})

    assert world.sleeps == [59.75]


@pytest.mark.parametrize(
    "value",
    [
        "2016-03-14 01:59:00Z",
        "2016-03-14T01:59:00",
        "2016-03-14T01Z",
        "2016-13-14T01:59:00Z",
        "2016-03-14T25:59:00Z",
        "2016-03-14T01:59:00+18:01",
        "2016-03-14T01:59:00+01:60",
        "2016-03-14",
        "",
        "soon",
        1,
        [],
    ],
)
def test_timestamp_path_refuses_what_is_no_timestamp(run_machine: RunMachine, value: Json) -> None:
    """A T, a Z or an offset, and a date that there is."""
    end, _ = run_machine(one_state({"Type": "Wait", "TimestampPath": "$.p"}), {"p": value})

    problem = (
        "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: "
        f"$.p == {value}"
    )
    assert end == FailScope("States.Runtime", PREFIX + problem, catchable=False)


@pytest.mark.parametrize(("days", "waits"), [(24_855, True), (24_856, False)])
def test_a_timestamp_is_at_most_as_far_ahead_as_an_int_of_seconds(
    run_machine: RunMachine, days: int, waits: bool
) -> None:
    """2,147,483,647 seconds, unconfirmed; what is further is `Wait state delay is too long.`"""
    moment = datetime.fromtimestamp(START, UTC) + timedelta(days=days)
    data = {"p": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}

    end, world = run_machine(one_state({"Type": "Wait", "TimestampPath": "$.p"}), data)

    assert bool(world.sleeps) is waits
    assert end == (
        EndScope(data) if waits else FailScope("States.Runtime", f"{PREFIX}Wait state delay is too long.", False)
    )
