"""What the parser of the service says of a text that is no JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapfold.local.json_faults import SNIPPET, explain_fault, name_fault

VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

NUMERIC = "Unexpected character ('a' (code 97)) in numeric value"
UNQUOTED = "Illegal unquoted character ((CTRL-CHAR, code 9))"


def source(text: str, line: int, column: int) -> str:
    return f'[Source: (String)"{text}"; line: {line}, column: {column}]'


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("{key: 1}", "Unexpected character ('k' (code 107)): was expecting double-quote to start field name", 3),
        ("{'a': 1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 3),
        ('{"a":1,}', "Unexpected character ('}' (code 125)): was expecting double-quote to start field name", 9),
        ('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value", 7),
        ('{"a":}', "Unexpected character ('}' (code 125)): expected a value", 7),
        ('{"a":1 "b":2}', "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries", 9),
        ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 5),
        ("[1,]", f"Unexpected character (']' (code 93)): expected a valid value {VALUES}", 5),
        ("€", f"Unexpected character ('€' (code 8364 / 0x20ac)): expected a valid value {VALUES}", 2),
        ("\x01", f"Unexpected character ((CTRL-CHAR, code 1)): expected a valid value {VALUES}", 2),
        ("nope", f"Unrecognized token 'nope': was expecting {VALUES}", 5),
        ("hello world", f"Unrecognized token 'hello': was expecting {VALUES}", 6),
        ("[truthy]", f"Unrecognized token 'truthy': was expecting {VALUES}", 8),
        ("tru", f"Unrecognized token 'tru': was expecting {VALUES}", 4),
        ("x" * 300, f"Unrecognized token '{'x' * 256}...': was expecting {VALUES}", 257),
        ("NaN", "Non-standard token 'NaN': enable JsonParser.Feature.ALLOW_NON_NUMERIC_NUMBERS to allow", 4),
        ("[01]", "Invalid numeric value: Leading zeroes not allowed", 3),
        ("[-a]", f"{NUMERIC}: expected digit (0-9) to follow minus sign, for valid numeric value", 4),
        ("[1.e]", "Unexpected character ('e' (code 101)) in numeric value: Decimal point not followed by a digit", 5),
        ("[1e,]", "Unexpected character (',' (code 44)) in numeric value: Exponent indicator not followed by a digit", 5),
        ('"abc', "Unexpected end-of-input: was expecting closing quote for a string value", 5),
        ('{"abc', "Unexpected end-of-input in field name", 6),
        ('"\\x"', "Unrecognized character escape 'x' (code 120)", 4),
        ('"\\u00g0"', "Unexpected character ('g' (code 103)): expected a hex-digit for character escape sequence", 7),
        ('"\t"', f"{UNQUOTED}: has to be escaped using backslash to be included in string value", 3),
        ("[1,", "Unexpected end-of-input within/between Array entries", 4),
        ('{"a"', "Unexpected end-of-input within/between Object entries", 5),
    ],
)  # fmt: skip
def test_the_fault_and_where_the_parser_stood(text: str, problem: str, column: int) -> None:
    """The column is that of the next character that it would have read."""
    shown = source(text, 1, column)

    assert explain_fault(text) == f"{problem}\n at {shown}"
    assert name_fault(text) == problem


def test_what_was_never_closed_says_where_it_began() -> None:
    """The innermost one that is open; lines are counted."""
    text = '{"a":\n [1'

    assert explain_fault(text) == (
        f"Unexpected end-of-input: expected close marker for Array (start marker at {source(text, 2, 2)})\n"
        f" at {source(text, 2, 4)}"
    )


def test_a_wrong_bracket_says_which_would_be_right() -> None:
    """And where the open one stands."""
    text = '{"a":1]'

    assert explain_fault(text) == (
        f"Unexpected close marker ']': expected '}}' (for Object starting at {source(text, 1, 1)})\n"
        f" at {source(text, 1, 8)}"
    )


def test_a_long_source_is_cut() -> None:
    """Of more than 500 characters the message says how many it leaves out."""
    text = "[" + "1," * 300 + "x]"

    assert f'{text[:SNIPPET]}"[truncated {len(text) - SNIPPET} chars]; line: 1, column: 603]' in explain_fault(text)


@given(st.text(alphabet='{}[]",:\\ \n0123456789.-+eEtrufalsn€'))
def test_every_text_that_is_no_json_has_a_fault(text: str) -> None:
    """And no JSON text has one: the walk and Python's own parser agree."""
    try:
        json.loads(text)
    except ValueError:
        assert "\n at [Source: (String)" in explain_fault(text)
    else:
        assert explain_fault(text) == "Invalid JSON"
