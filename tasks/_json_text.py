"""JSON that somebody sends: read so that whatever cannot be carried out further on is told as the sender's mistake."""

from __future__ import annotations

import json
from typing import Any

from mapfold.errors import UsageError

DEEPEST = 100
"""Levels of arrays and objects. Python's JSON gives up at some hundred, depending on who calls it."""


def read_json(text: str) -> Any:
    """The document of a JSON text. `json.JSONDecodeError` where it is none; UsageError where it cannot be carried on."""
    try:
        document = json.loads(text)
        json.dumps(document, ensure_ascii=False).encode()  # how it travels on: half a surrogate pair cannot
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError:
        raise
    except UnicodeEncodeError as error:
        raise UsageError(f"a text in the JSON holds half a surrogate pair, {error.object[error.start]!r}") from error
    except ValueError as error:  # of a number of some thousand digits
        raise UsageError(f"the JSON cannot be read: {error}") from error
    _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST + 1):
        level = [inner for value in level for inner in _within(value)]
        if not level:
            return
    raise _too_deep()


def _within(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> UsageError:
    return UsageError(f"the JSON is nested too deeply: at most {DEEPEST} levels are allowed")
