"""A `LambdaService` with functions of `code/handlers.py`, run in place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.lambda_ import Invocation, LambdaService
from mapfold.local.lambda_.requests import Settings

CODE = Path(__file__).parent / "code"
ROLE = "arn:aws:iam::123456789012:role/any"


class Functions:
    """Creates functions by the name of their handler and calls them with plain values."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service

    async def create(self, handler: str, *, folder: Path = CODE, **settings: Any) -> str:
        name = handler.replace(".", "-")
        document = {"FunctionName": name, "Role": ROLE, "Runtime": "python3.11", "Handler": handler, "Timeout": 30}
        code = {"S3Bucket": "mapfold-local", "S3Key": str(folder)}
        await self.service.create_function(Settings.of_new(document | settings), code)
        return name

    async def call(self, name: str, event: Any, **options: Any) -> Invocation:
        return await self.service.invoke(name, json.dumps(event).encode(), **options)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[LambdaService]:
    async with LambdaService(
        data=tmp_path / "data", environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, max_workers=2
    ) as service:
        yield service


@pytest.fixture
def functions(service: LambdaService) -> Functions:
    return Functions(service)
