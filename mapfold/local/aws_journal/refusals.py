"""Answers that are ours, not moto's, in the form that each protocol's SDK understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import orjson

from mapfold.local.aws_journal.changes import action_of
from mapfold.local.aws_journal.requests import Answer


def refusal(environ: Mapping[str, Any], status: str, code: str, message: str) -> Answer:
    """An error answer: JSON where the request was, else XML. SDKs try a 503 again a few times."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        content = orjson.dumps({"__type": code, "message": message})
        return _answer(status, environ.get("CONTENT_TYPE", "application/x-amz-json-1.0"), content)
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    text = f"<Error>{error}</Error>"
    if action_of(environ, b""):
        text = f"<ErrorResponse>{text}</ErrorResponse>"
    return _answer(status, "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())


def _answer(status: str, content_type: str, content: bytes) -> Answer:
    return Answer(status, [("Content-Type", content_type), ("Content-Length", str(len(content)))], [content])
