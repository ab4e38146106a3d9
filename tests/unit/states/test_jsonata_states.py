"""JSONata in states: every field that takes expressions, how causes name it, and what is refused at creation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mapfold.errors import DefinitionError
from mapfold.states import EndScope, FailScope, Json, RunTask, TaskFailed, TaskSucceeded, compile_machine

from .conftest import FUNCTION, RunMachine, World, one_state

PREFIX = "An error occurred while executing the state 'S' (entered at the event id #1). "
MISSING = "{% $states.input.missing %}"


def undefined(field: str) -> str:
    return (
        f"{PREFIX}The JSONata expression '$states.input.missing' specified for the field '{field}' returned nothing "
        "(undefined)."
    )


def jsonata(state: dict[str, Json], **more: Any) -> dict[str, Json]:
    """A machine in JSONata of the state S."""
    return one_state(state, QueryLanguage="JSONata", **more)


def choice(*rules: dict[str, Json], **more: Json) -> dict[str, Json]:
    """A machine of a Choice S with rules, and a Succeed that they lead to."""
    state = {"Type": "Choice", "Choices": [{"Next": "Done", **rule} for rule in rules], "Default": "Done", **more}
    return {"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state, "Done": {"Type": "Succeed"}}}


TASK = {"Type": "Task", "Resource": FUNCTION}
PROCESSOR = {"StartAt": "In", "States": {"In": {"Type": "Succeed"}}}
EACH = {"Type": "Map", "ItemProcessor": PROCESSOR, "Items": [1]}
MANY = {
    "Type": "Map",
    "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **PROCESSOR},
}
READER = {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}}
BUCKET = {"Bucket": "b", "Key": "k"}


@pytest.mark.parametrize(
    ("machine", "field"),
    [
        (jsonata({"Type": "Pass", "Output": MISSING}), "Output"),
        (jsonata({"Type": "Pass", "Output": {"a": {"b": MISSING}}}), "Output/a/b"),
        (jsonata({"Type": "Pass", "Output": {"values": [1, MISSING]}}), "Output/values[1]"),
        (jsonata({"Type": "Pass", "Output": {"a": {"b": [[1, MISSING]]}}}), "Output/a/b[0][1]"),
        (jsonata({"Type": "Pass", "Output": [MISSING]}), "Output[0]"),
        (jsonata({"Type": "Pass", "Assign": {"x": {"y": MISSING}}}), "Assign/x/y"),
        (jsonata({"Type": "Succeed", "Output": MISSING}), "Output"),
        (jsonata({"Type": "Wait", "Seconds": MISSING}), "Seconds"),
        (jsonata({"Type": "Wait", "Timestamp": MISSING}), "Timestamp"),
        (jsonata({"Type": "Fail", "Error": MISSING}), "Error"),
        (jsonata({"Type": "Fail", "Cause": MISSING}), "Cause"),
        (choice({"Condition": MISSING}), "Choices[0]/Condition"),
        (choice({"Condition": "{% false %}"}, {"Condition": MISSING}), "Choices[1]/Condition"),
        (choice({"Condition": True, "Output": {"v": MISSING}}), "Choices[0]/Output/v"),
        (choice({"Condition": True, "Assign": {"x": MISSING}}), "Choices[0]/Assign/x"),
        (choice({"Condition": False}, Output=MISSING), "Output"),
        (jsonata({**TASK, "Arguments": {"FunctionName": MISSING}}), "Arguments/FunctionName"),
        (jsonata({**TASK, "TimeoutSeconds": MISSING}), "TimeoutSeconds"),
        (jsonata({**TASK, "HeartbeatSeconds": MISSING}), "HeartbeatSeconds"),
        (jsonata({**TASK, "Credentials": {"RoleArn": MISSING}}), "Credentials/RoleArn"),
        (jsonata({"Type": "Parallel", "Branches": [PROCESSOR], "Arguments": MISSING}), "Arguments"),
        (jsonata({**EACH, "Items": MISSING}), "Items"),
        (jsonata({**EACH, "Items": [MISSING]}), "Items[0]"),
        (jsonata({**EACH, "MaxConcurrency": MISSING}), "MaxConcurrency"),
        (
            jsonata({**MANY, "ItemReader": {**READER, "Arguments": {**BUCKET, "Key": MISSING}}}),
            "ItemReader/Arguments/Key",
        ),
        (
            jsonata(
                {
                    **MANY,
                    "ItemReader": {
                        **READER,
                        "Arguments": BUCKET,
                        "ReaderConfig": {"InputType": "JSON", "MaxItems": MISSING},
                    },
                }
            ),
            "ItemReader/ReaderConfig/MaxItems",
        ),
        (jsonata({**MANY, "ItemBatcher": {"MaxItemsPerBatch": MISSING}}), "ItemBatcher/MaxItemsPerBatch"),
        (
            jsonata({**MANY, "ItemBatcher": {"MaxItemsPerBatch": 1, "BatchInput": {"x": MISSING}}}),
            "ItemBatcher/BatchInput/x",
        ),
        (
            jsonata(
                {
                    **MANY,
                    "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": MISSING}},
                }
            ),
            "ResultWriter/Arguments/Bucket",
        ),
        (jsonata({**MANY, "ToleratedFailureCount": MISSING}), "ToleratedFailureCount"),
        (jsonata({**MANY, "ToleratedFailurePercentage": MISSING}), "ToleratedFailurePercentage"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_undefined_field_fails_its_state_and_is_named(
    run_machine: RunMachine, machine: dict[str, Json], field: str
) -> None:
    """From the state on: `/` before a member, `[n]` for an array's; Choices, readers and the like by their place."""
    end, world = run_machine(machine, [] if field.startswith(("Tolerated", "ItemB", "ResultW")) else None)

    assert end == FailScope("States.QueryEvaluationError", undefined(field))
    assert world.details("EvaluationFailed") == {
        "state": "S",
        "error": "States.QueryEvaluationError",
        "cause": undefined(field),
        "location": field,
    }


def test_a_selector_that_is_undefined_fails_its_map(run_machine: RunMachine) -> None:
    """ItemSelector is evaluated for each item, after MapStateStarted."""
    end, world = run_machine(jsonata({**EACH, "ItemSelector": {"x": MISSING}}))

    assert end == FailScope("States.QueryEvaluationError", undefined("ItemSelector/x"))
    assert world.types[:2] == ["MapStateEntered", "MapStateStarted"]


def test_a_catcher_names_its_own_fields(run_machine: RunMachine) -> None:
    """`Catch[1]/Output/v`: what fails while an error is caught fails the state."""
    catch = [
        {"ErrorEquals": ["Other"], "Next": "Done"},
        {"ErrorEquals": ["States.ALL"], "Next": "Done", "Output": {"v": MISSING}},
    ]
    states = {"S": {**TASK, "Catch": catch, "End": True}, "Done": {"Type": "Succeed"}}
    machine = {"QueryLanguage": "JSONata", "StartAt": "S", "States": states}

    end, _ = run_machine(machine, answers={FUNCTION: [TaskFailed("Boom", "it did")]})

    assert end == FailScope("States.QueryEvaluationError", undefined("Catch[1]/Output/v"))


@pytest.mark.parametrize(
    ("machine", "source", "field", "said"),
    [
        (jsonata({**EACH, "Items": "{% 1 %}"}), "1", "Items", "Expected 'array', but was 'number' for value: 1"),
        (choice({"Condition": "{% 'yes' %}"}), "'yes'", "Choices[0]/Condition", "Expected 'boolean', but was 'string' for value: \"yes\""),
        (jsonata({"Type": "Fail", "Error": "{% {'a': null} %}"}), "{'a': null}", "Error", "Expected 'string', but was 'object' for value: {\"a\":null}"),
        (jsonata({**TASK, "Credentials": {"RoleArn": "{% null %}"}}), "null", "Credentials/RoleArn", "Expected 'string', but was 'null' for value: null"),
        (jsonata({**TASK, "TimeoutSeconds": "{% '5' %}"}), "'5'", "TimeoutSeconds", "Expected 'integer', but was 'string' for value: \"5\""),
        (jsonata({"Type": "Wait", "Seconds": "{% 1.5 %}"}), "1.5", "Seconds", "Expected 'integer', but was 'number' for value: 1.5"),
    ],
)  # fmt: skip
def test_a_field_says_which_type_it_expected(
    run_machine: RunMachine, machine: dict[str, Json], source: str, field: str, said: str
) -> None:
    """The type that the field takes, the type that came, and the value as JSON."""
    end, _ = run_machine(machine)

    assert end == FailScope(
        "States.QueryEvaluationError",
        f"{PREFIX}The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result "
        f"type. {said}",
    )


@pytest.mark.parametrize(
    ("expression", "ending"),
    [
        ("{% $sum %}", " returned an unsupported result type."),
        ("{% [1, function() { 1 }] %}", " returned an unsupported result type."),
        ("{% $length(1) %}", ' threw an error during evaluation. T0410: Argument 1 of function "length" does not match function signature'),
        ("{% 1 + 'a' %}", ' threw an error during evaluation. T2002: The right side of the "+" operator must evaluate to a number'),
        ("{% $error('no') %}", " threw an error during evaluation. D3137: no"),
        ("{% $number('x') %}", ' threw an error during evaluation. D3030: Unable to cast value to a number: "x"'),
        ("{% [1..900000] ~> $count() %}", " threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage"),
    ],
)  # fmt: skip
def test_an_error_of_the_language_follows_the_field(run_machine: RunMachine, expression: str, ending: str) -> None:
    """A sentence with a code follows a full stop; what the limits say has none, and follows a colon."""
    end: Any = run_machine(jsonata({"Type": "Pass", "Output": expression}))[0]

    assert end.error == "States.QueryEvaluationError"
    assert end.cause == (
        f"{PREFIX}The JSONata expression '{expression[2:-2].strip()}' specified for the field 'Output'{ending}"
    )


def test_what_the_service_itself_trips_over_shows_an_id(run_machine: RunMachine) -> None:
    """$base64decode of what is no Base64: an internal error with a UUID."""
    end: Any = run_machine(jsonata({"Type": "Pass", "Output": "{% $base64decode('!!!') %}"}))[0]

    head, _, id_ = end.cause.rpartition(" ")
    assert head.endswith("'Output' threw an internal error during evaluation.")
    assert len(id_) == 36


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{%\n  $states.input.a\n    + 1\n%}", 2),
        ("{%1+1%}", 2),
        ("{% /* why */ 'it' & \"s\" %}", "its"),
        ('{% "a\\"b" %}', 'a"b'),
        (" {% 1 %}", None),
        ("{ % 1 % }", "{ % 1 % }"),
        ("{% 1/0 %}", "Infinity"),
        ("{% [-1/0] %}", ["-Infinity"]),
        ("{% 1e18 * 10 %}", 10000000000000000000.0),
        ("{% 4611686018427387904 * 1 %}", 4611686018427388000),
        ("{% 10 / 4 * 2 %}", 5),
        ("{% -0 %}", 0),
        ("{% $states.input.whole %}", 3),
        ("{% $states.input.parts %}", {"n": [1, 2.5, "v1.0"]}),
        ("{% {'b': 1, '10': 2, '9': 3} %}", {"9": 3, "10": 2, "b": 1}),
    ],
)
def test_an_expression_in_a_field_gives(run_machine: RunMachine, expression: str, value: Json) -> None:
    """Blanks and lines around it do not count, comments neither; numbers are written as JavaScript writes them."""
    if value is None:
        with pytest.raises(DefinitionError, match="must start with"):
            compile_machine(jsonata({"Type": "Pass", "Output": expression}))
        return

    end: Any = run_machine(
        jsonata({"Type": "Pass", "Output": expression}), {"a": 1, "whole": 3.0, "parts": {"n": [1.0, 2.5, "v1.0"]}}
    )[0]

    assert end == EndScope(value)
    assert json.dumps(end.data) == json.dumps(value)


@pytest.mark.parametrize("number", ["100.0", "1e2", "1.5E+1", "-10e-1", "1e17"])
def test_a_whole_number_that_was_sent_in_another_form_is_given_as_one(number: str) -> None:
    """Also inside of what is only handed on, whose text is known as it was sent."""
    world, text = World(), f'{{"a": {{"n": {number}}}}}'
    data = json.loads(text)
    world.frame.remember(data, text)

    end: Any = world.run(compile_machine(jsonata({"Type": "Pass", "Output": "{% $states.input.a %}"})).scope, data)

    assert json.dumps(end.data) == json.dumps({"n": int(float(number))})


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("{% phone %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported."),
        ("{% $sum(a.b) + 1 %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'a' at the top level is not supported."),
        ("{% $ %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$' at the top level is not supported."),
        ("{% $$.a %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$$' at the top level is not supported."),
        ("{% * %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '*' at the top level is not supported."),
        ("{% $states.result %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.result' is not supported."),
        ("{% $states.errorOutput.Error %}", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to '$states.errorOutput' is not supported."),
        ("{% 1 + %}", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression"),
        ("{%%}", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression"),
        ("{% $x[1,2) %}", 'INVALID_JSONATA_EXPRESSION: Expected "]", got ","'),
        ('{% "unterminated %}', "INVALID_JSONATA_EXPRESSION: String literal must be terminated by a matching quote"),
        ('{% {"a":} %}', 'INVALID_JSONATA_EXPRESSION: The symbol "}" cannot be used as a unary operator'),
        ('{% $match("a", /abc %}', "INVALID_JSONATA_EXPRESSION: No terminating / in regular expression"),
        ("{% $match('a', /(/) %}", "INVALID_JSONATA_EXPRESSION: No terminating / in regular expression"),
        ("{% $match('a', /*a/) %}", "INVALID_JSONATA_EXPRESSION: Comment has no closing tag"),
        ("{% $a ?? 1 %}", 'INVALID_JSONATA_EXPRESSION: The symbol "?" cannot be used as a unary operator'),
        ("{% 1", "INVALID_JSONATA_EXPRESSION: A JSONata expression must start with '{%' and end with '%}'"),
    ],
)  # fmt: skip
def test_jsonata_that_cannot_work_is_refused_at_creation(expression: str, problem: str) -> None:
    """What does not parse has the parser's own message; what is read and not there is named."""
    with pytest.raises(DefinitionError) as caught:
        compile_machine(jsonata({"Type": "Pass", "Output": {"x": expression}}))

    assert str(caught.value) == f"{problem} at /States/S/Output/x"


def test_every_reference_that_does_not_work_is_reported_once() -> None:
    """Two names, three places: two problems."""
    with pytest.raises(DefinitionError) as caught:
        compile_machine(jsonata({"Type": "Pass", "Output": "{% [a, b, a] %}"}))

    assert [problem.text for problem in caught.value.problems] == [
        "Reference to 'a' at the top level is not supported.",
        "Reference to 'b' at the top level is not supported.",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "{% $states.input.xs[total > 10].id %}",
        "{% $states.input.xs.{'n': name, 'all': $} %}",
        "{% $states.input.xs^(total){id: $sum(total)} %}",
        "{% $states.input ~> |xs|{'total': total + 1}, 'old'| %}",
        "{% $filter($states.input.xs, function($x) { $x.total > 1 }) %}",
        "{% ($total := 5; $total) %}",
        "{% $states.input.xs.(%.name) %}",
    ],
)
def test_names_have_their_meaning_where_there_is_a_value_at_hand(expression: str) -> None:
    """In predicates, later steps, groups, order-by and transforms, `$` and bare names are fine."""
    compile_machine(jsonata({"Type": "Pass", "Output": expression}))


def test_the_whole_of_states_may_be_read(run_machine: RunMachine) -> None:
    """$states alone has input and context; result is there in a Task."""
    output = {"keys": "{% $keys($states) %}", "name": "{% $states.context.State.Name %}"}

    end: Any = run_machine(jsonata({**TASK, "Output": output}), answers={FUNCTION: [TaskSucceeded(1)]})[0]

    assert end == EndScope({"keys": ["input", "context", "result"], "name": "S"})


def test_languages_mix_state_by_state(run_machine: RunMachine) -> None:
    """Data and variables go from a state in one language to one in the other."""
    states = {
        "S": {"Type": "Pass", "Assign": {"base.$": "$.twice"}, "Parameters": {"twice.$": "$.n"}, "Next": "J"},
        "J": {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Output": "{% {'sum': $base + $states.input.twice} %}",
            "Assign": {"more": {"list": "{% [$base] %}"}},
            "Next": "P",
        },
        "P": {"Type": "Pass", "Parameters": {"sum.$": "$.sum", "first.$": "$more.list[0]"}, "End": True},
    }

    end, world = run_machine({"StartAt": "S", "States": states}, {"n": 4})

    assert end == EndScope({"sum": 8, "first": 4})
    assert world.types.count("PassStateExited") == 3


def test_arguments_give_a_task_what_it_is_called_with(run_machine: RunMachine) -> None:
    """Members without expressions stay as they are; the default output is the result."""
    state = {**TASK, "Arguments": {"n": "{% $states.input.n * 2 %}", "fixed": [1, "x"]}}

    end, world = run_machine(jsonata(state), {"n": 4}, answers={FUNCTION: [TaskSucceeded({"ok": True})]})

    assert end == EndScope({"ok": True})
    (effect,) = world.effects
    assert isinstance(effect, RunTask)
    assert effect.arguments == {"n": 8, "fixed": [1, "x"]}


def test_an_evaluation_that_fails_is_caught_and_retried_like_any_failure() -> None:
    """States.QueryEvaluationError of a Task: its Retry is used up, then its Catch takes over."""
    states = {
        "S": {
            **TASK,
            "Arguments": MISSING,
            "Retry": [{"ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done", "Output": "{% $states.errorOutput.Error %}"}],
            "End": True,
        },
        "Done": {"Type": "Succeed"},
    }
    world = World()

    end = world.run(compile_machine({"QueryLanguage": "JSONata", "StartAt": "S", "States": states}).scope, {})

    assert end == EndScope("States.QueryEvaluationError")
    assert world.types.count("EvaluationFailed") == 2
    assert world.sleeps == [1]
