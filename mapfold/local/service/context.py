"""What every action works with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from mapfold.local.service.engine_protocol import ChildNames, Engine
from mapfold.local.service.redrive_tokens import RedriveTokens
from mapfold.local.store import Store

CheckDefinition = Callable[[str, bool], None]
"""(definition text, is it EXPRESS): raises DefinitionError with all that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Service:
    """The store, the engine, and what was handed in from outside.

    `starts` makes the checks of StartExecution and RedriveExecution atomic.
    """

    store: Store
    engine: Engine
    children: ChildNames
    check_definition: CheckDefinition
    clock: Callable[[], float]
    region: str
    random: Callable[[], float] = random.random
    """Chance, 0 to 1: which version an alias leads to."""
    log_group_exists: Callable[[str], Awaitable[bool]] | None = None
    """Whether CloudWatch Logs has a log group of this name; None: nobody can say, and none is missed."""
    starts: asyncio.Lock = field(default_factory=asyncio.Lock)
    redrive_tokens: RedriveTokens = field(default_factory=RedriveTokens)
