"""Ctrl-C while a run is followed: none is lost.

Python raises KeyboardInterrupt wherever the program is just then. In a destructor or a callback of the garbage collector it
is printed as ignored, and the command would go on as if nobody had pressed anything. So it is noted too, and looked at
with each progress that is heard.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mapfold.client.follow import Progress, Watcher


class _Attentive:
    """A watcher that raises KeyboardInterrupt where an earlier one was lost."""

    def __init__(self, watcher: Watcher, pressed: threading.Event) -> None:
        self._watcher, self._pressed = watcher, pressed

    def progressed(self, progress: Progress, /) -> None:
        if self._pressed.is_set():
            raise KeyboardInterrupt
        self._watcher.progressed(progress)


@contextmanager
def noticing_interrupts(watcher: Watcher) -> Iterator[Watcher]:
    """`watcher`, which also raises a KeyboardInterrupt that was lost since. Elsewhere than in the main thread: as it is."""
    if threading.current_thread() is not threading.main_thread():
        yield watcher  # signals reach the main thread alone
        return
    pressed = threading.Event()

    def press(number: int, frame: FrameType | None) -> None:
        pressed.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield _Attentive(watcher, pressed)
    finally:
        signal.signal(signal.SIGINT, before)
