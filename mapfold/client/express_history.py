"""The history of an EXPRESS child of the embedded AWS: GET /mapfold/history on its own port, paged.

The API of Step Functions has none (history-events.md 5). An endpoint that does not know the path, another stand-in for
AWS, has none either.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from mapfold.client.errors import Unreachable
from mapfold.client.values import Event

_SECONDS = 30.0


def express_events(service_url: str, arn: str, *, newest_first: bool, page: int) -> Iterator[Event]:
    """The events of the child with this ARN; pages of `page` events as they are asked for. Nothing if there are none."""
    query = {"executionArn": arn, "maxResults": str(page), "reverseOrder": str(newest_first).lower()}
    token = ""
    while True:
        answer = _get(service_url, {**query, **({"nextToken": token} if token else {})})
        yield from (_event(event) for event in answer.get("events", ()))
        token = answer.get("nextToken", "")
        if not token:
            return


def _get(service_url: str, query: dict[str, str]) -> dict[str, Any]:
    """The document that it answers; empty where it has no such history."""
    url = urlsplit(service_url)
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connect(url.hostname or "127.0.0.1", url.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"/mapfold/history?{urlencode(query)}")
        answer = connection.getresponse()
        body = answer.read()
        found = json.loads(body) if answer.status == 200 else {}
    except ValueError:
        return {}
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"nothing answers: {service_url}/mapfold/history: {error}") from error
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}


def _event(event: dict[str, Any]) -> Event:
    return Event(
        id=event["id"],
        previous=event.get("previousEventId", 0),
        type=event["type"],
        at=float(event["timestamp"]),
        details=next((value for key, value in event.items() if key.endswith("EventDetails")), {}),
    )
