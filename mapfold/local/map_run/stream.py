"""Chunks from a reader that blocks, handed to the event loop with a bound.

A reader lives in one thread of its own. One chunk is read ahead, and no more: so at most two are in memory, that one
and the one whose items are being used, however large the source is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mapfold.local.map_run.model import MAX_ITEMS, Chunk, EncodedChunk, ReadChunks
from mapfold.local.map_run.threads import settled


class ItemStream:
    """The chunks of `open_chunks`, cut after `max_items` items (None or 0: no bound but AWS's own).

    `threaded` is False for a reader that never blocks: it is then read in place. `items_read` counts what has come
    out of the reader; `ended` says that it is final.
    """

    def __init__(self, open_chunks: Callable[[], ReadChunks], *, max_items: int | None, threaded: bool) -> None:
        self._open = open_chunks
        self._threaded = threaded
        self._left = min(max_items or MAX_ITEMS, MAX_ITEMS)
        self._chunks: ReadChunks | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="item-reader")
        self._ahead: Future[Chunk | EncodedChunk | None] | None = None
        self.items_read = 0
        self.ended = False

    def take(self) -> Chunk | EncodedChunk | None:
        """The next chunk if it has been read already, without waiting. Raises what the reader raised: once, at its end."""
        if self.ended:
            return None
        if self._threaded and self._ahead is None:
            self._ahead = self._thread.submit(self._read)
        if self._ahead is not None and not self._ahead.done():
            return None
        ahead, self._ahead = self._ahead, None
        try:
            chunk = self._read() if ahead is None else ahead.result()
        except BaseException:
            self.ended = True
            raise
        return self._cut(chunk)

    async def wait(self) -> None:
        """Return when `take` has something to give or to raise, or the stream has ended."""
        if self._ahead is not None:
            await settled(self._ahead)

    def close(self) -> None:
        """Let go of the thread; the reader is closed in it. Does not wait for a read that is under way."""
        self.ended = True
        if self._threaded:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    def _cut(self, chunk: Chunk | EncodedChunk | None) -> Chunk | EncodedChunk | None:
        if chunk is None or not self._left:
            self.ended = True
            return None
        if chunk.count >= self._left:
            self.ended = True
            if chunk.count > self._left:
                chunk = chunk.first(self._left)
        elif self._threaded:
            self._ahead = self._thread.submit(self._read)
        self._left -= chunk.count
        self.items_read += chunk.count
        return chunk

    def _read(self) -> Chunk | EncodedChunk | None:
        if self._chunks is None:
            self._chunks = self._open()
        return next(self._chunks, None)

    def _close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
