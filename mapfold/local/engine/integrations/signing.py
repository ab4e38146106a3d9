"""Signatures of version 4, for APIs of API Gateway that ask for them."""

from __future__ import annotations

from collections.abc import Mapping

from mapfold.local.engine.integrations.api_gateway_call import Sign
from mapfold.local.engine.integrations.calls import Clients


def signer(clients: Clients, region: str) -> Sign:
    """Signs requests with the credentials that the embedded AWS calls services with."""

    def sign(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        SigV4Auth(clients.task_credentials(), "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    return sign
