"""What workers print: bounded per invocation, framed as Lambda frames it, kept in SQLite."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 128 * 1024
TAIL_BYTES = 128 * 1024
"""Of a longer log the first and last bytes are kept, with a line between them that says what was left out."""

LOG_RESULT_BYTES = 4096
"""What X-Amz-Log-Type: Tail gives back."""


class LogBuffer:
    """The output of one invocation, never more than about HEAD_BYTES + 2 * TAIL_BYTES of memory."""

    __slots__ = ("_head", "_left_out", "_tail")

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, output: bytes) -> None:
        """Take what was printed next."""
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += output[:room]
            output = output[room:]
        self._tail += output
        if len(self._tail) > 2 * TAIL_BYTES:
            surplus = len(self._tail) - TAIL_BYTES
            del self._tail[:surplus]
            self._left_out += surplus

    def value(self) -> bytes:
        """The log as it is kept."""
        surplus = max(0, len(self._tail) - TAIL_BYTES)
        left_out = self._left_out + surplus
        between = f"\n... {left_out} bytes left out ...\n".encode() if left_out else b""
        return bytes(self._head) + between + bytes(self._tail[surplus:])


@dataclass(slots=True)
class LogRecord:
    """The log of one invocation. `started` is in epoch seconds, `duration_ms` as REPORT shows it."""

    request_id: str
    function: str
    version: str
    started: float
    duration_ms: float
    memory_mb: int
    peak_memory_mb: int
    init_ms: float | None
    status: str
    output: bytes

    def text(self) -> bytes:
        """The whole log with Lambda's START, END and REPORT lines around what was printed."""
        output = _with_error_lines(self.output)
        if output and not output.endswith(b"\n"):
            output += b"\n"
        return self._start() + output + self._end()

    def tail(self) -> bytes:
        """The last 4 KB of `text`."""
        return self.text()[-LOG_RESULT_BYTES:]

    def _start(self) -> bytes:
        return f"START RequestId: {self.request_id} Version: {self.version}\n".encode()

    def _end(self) -> bytes:
        # Billed to the next full millisecond, as Lambda does.
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration_ms:.2f} ms",
            f"Billed Duration: {-int(-self.duration_ms // 1)} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.peak_memory_mb} MB",
        ]
        if self.init_ms is not None:
            fields.append(f"Init Duration: {self.init_ms:.2f} ms")
        if self.status:
            fields.append(f"Status: {self.status}")
        return f"END RequestId: {self.request_id}\n".encode() + "\t".join(fields).encode() + b"\t\n"


def _with_error_lines(output: bytes) -> bytes:
    """Error reports of awslambdaric with line feeds.

    Without Lambda's own log descriptor it joins the lines of a traceback by carriage returns, which a log
    collector would turn back.
    """
    if b"[ERROR]" not in output:
        return output
    lines = output.split(b"\n")
    return b"\n".join(line.replace(b"\r", b"\n") if line.startswith(b"[ERROR]") else line for line in lines)
