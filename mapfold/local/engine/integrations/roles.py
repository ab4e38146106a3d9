"""The role of a Task's Credentials: whether it can be assumed, and the credentials that it then has.

A role of the embedded AWS's own account can be assumed if it is there (its trust policy is not looked at, as no policy is
here). A role of another account is assumed through STS, whose credentials lead to that account's resources.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from mapfold.local.arns import ACCOUNT
from mapfold.local.engine.integrations.calls import Answer, Caller
from mapfold.states.effects import TaskFailed

KEPT_SECONDS = 600.0
"""How long what is known of a role counts."""

MOST_ROLES = 1_000
"""Of so many roles something is remembered; the oldest are asked for anew."""

_ROLE = re.compile(r"arn:aws(?:-[a-z-]+)?:iam::(\d{12}):role/(?:\S+/)?([\w+=,.@-]{1,64})")

Credentials = Mapping[str, str]


@dataclass(slots=True)
class Roles:
    """Asks IAM and STS about roles, and remembers their answers for ten minutes."""

    caller: Caller | None
    _known: dict[str, tuple[float, Credentials | None]] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def refusal(self, role_arn: str, execution_role: str) -> TaskFailed | None:
        """The failure of a task whose role cannot be assumed; None if it can."""
        if self.caller is None or await self._look(role_arn) is not None:
            return None
        return TaskFailed(
            "States.TaskFailed",
            f"The role {execution_role} is not authorized to assume the task state's role, {role_arn}.",
        )

    async def credentials(self, role_arn: str | None) -> Credentials | None:
        """What to sign with in that role; None to sign as ever."""
        if role_arn is None or self.caller is None:
            return None
        return await self._look(role_arn) or None

    async def _look(self, role_arn: str) -> Credentials | None:
        """The role's credentials, none of its own ({}), or None: it cannot be assumed."""
        async with self._asking:
            known = self._known.get(role_arn)
            if known is not None and known[0] > time.monotonic():
                return known[1]
            found = await self._ask(role_arn)
            if found is not None:  # one that is not there may be made at any time
                while len(self._known) >= MOST_ROLES:
                    del self._known[next(iter(self._known))]
                self._known[role_arn] = (time.monotonic() + KEPT_SECONDS, found)
            return found

    async def _ask(self, role_arn: str) -> Credentials | None:
        match = _ROLE.fullmatch(role_arn)
        if match is None or self.caller is None:
            return None
        if match[1] == ACCOUNT:
            answer = await self.caller.call("iam", "GetRole", {"RoleName": match[2]})
            return {} if isinstance(answer, Answer) else None
        params = {"RoleArn": role_arn, "RoleSessionName": "StepFunctions"}
        assumed = await self.caller.call("sts", "AssumeRole", params)
        if not isinstance(assumed, Answer):
            return None
        return {name: str(value) for name, value in assumed.output["Credentials"].items() if name != "Expiration"}
