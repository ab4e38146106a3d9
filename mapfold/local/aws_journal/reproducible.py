"""What moto makes up while it works on a change follows from the change's record: identifiers, and the time.

moto draws most identifiers from one generator, which it lets be seeded, and some (upload ids, UUIDs) from os.urandom;
it asks one function for the time. For the thread that works on a change, all three give what the record says; every
other thread, and this one at any other time, gets what it always got.

moto is not changed by this, but what it stands on is, in its process: `os.urandom`, and the name `datetime` in the
module that holds moto's clock. Without the latter, what depends on time would come out differently when it is done
again: not only dates, but also which message of a queue is visible to a ReceiveMessage.
"""

from __future__ import annotations

import datetime
import os
import random
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_real_urandom = os.urandom


class _Change(threading.local):
    """Of the thread's present change; None between changes."""

    entropy: random.Random | None = None
    moment: float | None = None


_change = _Change()


@contextmanager
def reproducible(seed: int, moment: float) -> Iterator[None]:
    """Inside, this thread's choices follow from `seed` and it is `moment` (epoch seconds). One thread at a time."""
    from moto.moto_api._internal import mock_random

    mock_random.seed(seed)
    _change.entropy, _change.moment = random.Random(seed), moment
    try:
        yield
    finally:
        _change.entropy = _change.moment = None


def install() -> None:
    """Let `reproducible` work in this process, from now on."""
    import moto.core.utils

    os.urandom = _urandom
    clock: Any = moto.core.utils
    clock.datetime = _datetime_module()


def _urandom(size: int, /) -> bytes:
    return _real_urandom(size) if _change.entropy is None else _change.entropy.randbytes(size)


class _IsADatetime(type):
    """isinstance() must go on being true for what others made."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class _Datetime(datetime.datetime, metaclass=_IsADatetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        if _change.moment is None:
            return datetime.datetime.now(tz)  # noqa: TID251  this is the clock that is handed out
        return datetime.datetime.fromtimestamp(_change.moment, tz)


def _datetime_module() -> types.ModuleType:
    module = types.ModuleType("datetime")
    module.__dict__.update(datetime.__dict__)
    vars(module)["datetime"] = _Datetime
    return module
