"""Why something failed, in words: what Step Functions calls a cause, which of a Lambda function is a JSON document."""

from __future__ import annotations

import json


def readable_cause(cause: str | None, *, error: str) -> str:
    """A cause in words: Lambda's is a JSON document, of which the message is what a reader wants.

    The type of the exception stands before it, unless that is `error`, which is shown beside it anyway.
    """
    if not cause:
        return ""
    try:
        document = json.loads(cause)
    except ValueError:
        return cause
    if not isinstance(document, dict) or "errorMessage" not in document:
        return cause
    kind = document.get("errorType")
    return f"{kind}: {document['errorMessage']}" if kind and kind != error else str(document["errorMessage"])
