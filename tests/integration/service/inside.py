"""The service without a socket: requests go through the whole application, in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from mapfold.local.service import Service, create_app
from mapfold.local.store import open_store
from tests.integration.service.conftest import PASS, ROLE, FakeEngine, Names, check_definition


@dataclass
class Refused(Exception):
    """An answer that is an error."""

    status: int
    body: Mapping[str, Any]

    @property
    def error(self) -> tuple[str, str]:
        """(code, message)."""
        return self.body["__type"], self.body["message"]


@dataclass
class Inside:
    """The service, its engine, and calls of its actions."""

    service: Service
    engine: FakeEngine
    app: Starlette

    async def call(self, action: str, **members: Any) -> Any:
        """The answer to an action, or Refused."""
        status, _, body = await self.send(json.dumps(members).encode(), {"x-amz-target": f"AWSStepFunctions.{action}"})
        answer = json.loads(body)
        if status != 200:
            raise Refused(status, answer)
        return answer

    async def error(self, action: str, **members: Any) -> tuple[str, str]:
        """(code, message) of an action that is refused."""
        try:
            answer = await self.call(action, **members)
        except Refused as refused:
            return refused.error
        raise AssertionError(f"not refused: {answer}")

    async def create(self, name: str = "jobs", **more: Any) -> str:
        """Create a machine of one Succeed state; its ARN."""
        answer = await self.call("CreateStateMachine", name=name, definition=PASS, roleArn=ROLE, **more)
        arn: str = answer["stateMachineArn"]
        return arn

    async def send(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of a POST."""
        sent: list[Mapping[str, Any]] = []
        parts = [body]

        async def receive() -> dict[str, Any]:
            while not parts:  # the caller stays, as a server would have it: nothing comes after the body
                await asyncio.get_running_loop().create_future()
            return {"type": "http.request", "body": parts.pop(), "more_body": False}

        async def answer(message: Any) -> None:
            sent.append(message)

        lines = {"host": "localhost", "content-type": "application/x-amz-json-1.0", **headers}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in lines.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
        }
        await self.app(scope, receive, answer)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


@asynccontextmanager
async def open_inside(data: Path, **parts: Any) -> AsyncIterator[Inside]:
    """The service over a store in `data`; `parts` replace those of its Service."""
    async with open_store(data) as store:
        engine = FakeEngine(store)
        service = Service(
            store=store, engine=engine, children=Names(), check_definition=check_definition,
            clock=lambda: engine.now, region="us-east-1",
        )  # fmt: skip
        service = replace(service, **parts)
        yield Inside(service, engine, create_app(service, health=dict))
