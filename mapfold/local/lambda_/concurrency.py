"""Reserved concurrency: how many calls of a function may be under way at once, and what happens to the next.

Lambda guide, "Configuring reserved concurrency": over it a synchronous call is throttled, an Event invocation waits in
Lambda's own queue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapfold.local.lambda_.errors import invalid_parameter, too_many_requests, validation_failed

if TYPE_CHECKING:
    from mapfold.local.lambda_.store import LambdaStore

ACCOUNT_LIMIT = 1_000
"""Concurrent executions that an account has by default."""
LEAST_UNRESERVED = 100
"""What reservations must leave of it to all functions without one."""


class Concurrency:
    """The reservations of all functions. Changes are made under the service's lock."""

    def __init__(self, store: LambdaStore) -> None:
        self._store = store
        self._reserved: dict[str, int] = {}

    async def load(self) -> None:
        """Read them back."""
        self._reserved = await self._store.reserved()

    def __bool__(self) -> bool:
        """Whether any function has one: most accounts have none, and a call then need not ask."""
        return bool(self._reserved)

    @property
    def unreserved(self) -> int:
        """What functions without a reservation share."""
        return ACCOUNT_LIMIT - sum(self._reserved.values())

    def reserved(self, name: str) -> int | None:
        """A function's reservation."""
        return self._reserved.get(name)

    async def reserve(self, name: str, calls: object) -> int:
        """Reserve `calls` for the function `name`; 0 stops it."""
        if isinstance(calls, bool) or not isinstance(calls, int):
            raise validation_failed(None, at="reservedConcurrentExecutions", rule="not be null")
        if calls < 0:
            rule = "have value greater than or equal to 0"
            raise validation_failed(calls, at="reservedConcurrentExecutions", rule=rule)
        if self.unreserved + self._reserved.get(name, 0) - calls < LEAST_UNRESERVED:
            raise invalid_parameter(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{LEAST_UNRESERVED}]."
            )
        await self._store.put_reserved(name, calls)
        self._reserved[name] = calls
        return calls

    async def release(self, name: str) -> None:
        """Take a reservation back."""
        await self._store.put_reserved(name, None)
        self.forget(name)

    def forget(self, name: str) -> None:
        """The function is gone."""
        self._reserved.pop(name, None)

    def check(self, name: str, active: int) -> None:
        """TooManyRequestsException if one more than `active` calls of the function `name` would be too many."""
        reserved = self._reserved.get(name)
        if reserved is not None and active >= reserved:
            raise too_many_requests("ReservedFunctionConcurrentInvocationLimitExceeded")
