"""What optimized integrations add to a result: the HTTP headers of the answer, and the id of the request."""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.local.engine.integrations.calls import Answer
from mapfold.local.engine.integrations.stand_in import CONTENT_TYPES
from mapfold.states.effects import Json
from mapfold.states.java_hash import names_in_map_order

SPELLINGS: Mapping[str, str] = {
    "x-amz-executed-version": "X-Amz-Executed-Version",
    "x-amzn-remapped-content-length": "x-amzn-Remapped-Content-Length",
    "x-amzn-requestid": "x-amzn-RequestId",
    "x-amzn-trace-id": "X-Amzn-Trace-Id",
}
"""How AWS writes the names of its own headers; botocore makes them all small."""

SERVERS: Mapping[str, str] = {"dynamodb": "Server"}
"""What the Server header of a service says, where it has one."""

NOT_OF_AWS = ("access-control-", "keep-alive", "server", "transfer-encoding", "via")
"""Headers of a stand-in's server, which AWS does not send."""


def with_metadata(result: dict[str, Json], answer: Answer, service: str) -> dict[str, Json]:
    """`result` and the metadata, in the order that AWS has: by name. `service` is botocore's name."""
    headers = answer.headers
    if service in CONTENT_TYPES and "content-type" in headers:
        headers = {**headers, "content-type": CONTENT_TYPES[service]}
    result.update(http_metadata(headers, answer.status, server=SERVERS.get(service)))
    result["SdkResponseMetadata"] = {"RequestId": answer.request_id}
    return dict(sorted(result.items()))


def http_metadata(headers: Mapping[str, str], status: int, *, server: str | None = None) -> dict[str, Json]:
    """`SdkHttpMetadata` of an answer."""
    shown = {"Connection": "keep-alive"}
    if server is not None:
        shown["Server"] = server
    for name, value in headers.items():
        small = name.lower()
        if not small.startswith(NOT_OF_AWS) and small != "connection":
            shown[_spelled(small)] = value
    shown = dict(sorted(shown.items(), key=lambda item: item[0].lower()))
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [shown[name]] for name in names_in_map_order(shown)},
            "HttpHeaders": shown,
            "HttpStatusCode": status,
        }
    }


def _spelled(name: str) -> str:
    if name in SPELLINGS or name.startswith("x-"):
        return SPELLINGS.get(name, name)
    return "-".join(part.capitalize() for part in name.split("-"))
