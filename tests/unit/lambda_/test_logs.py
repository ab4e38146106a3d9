"""Logs are bounded, and framed as Lambda frames them."""

from __future__ import annotations

from mapfold.local.lambda_.logs import HEAD_BYTES, TAIL_BYTES, LogBuffer, LogRecord


def record(output: bytes, *, init_ms: float | None = None, status: str = "") -> LogRecord:
    return LogRecord("id-1", "f", "$LATEST", 0.0, 1.2345, 128, 40, init_ms, status, output)


class TestLogBuffer:
    def test_a_long_log_keeps_its_ends(self) -> None:
        """The first and the last 128 KiB stay, and a line between them counts what was left out."""
        log = LogBuffer()

        for part in range(1000):
            log.add(b"%04d" % part * 256)

        value = log.value()
        left_out = 1000 * 1024 - HEAD_BYTES - TAIL_BYTES
        assert value.startswith(b"0000")
        assert value.endswith(b"0999")
        assert f"\n... {left_out} bytes left out ...\n".encode() in value

    def test_a_short_log_is_whole(self) -> None:
        """Up to head and tail together nothing is left out."""
        log = LogBuffer()

        log.add(b"x" * (HEAD_BYTES + TAIL_BYTES))

        assert log.value() == b"x" * (HEAD_BYTES + TAIL_BYTES)


class TestLogRecord:
    def test_what_was_printed_stands_between_lambdas_lines(self) -> None:
        """START, the output, END, REPORT; the billed duration is the next full millisecond."""
        text = record(b"hello", init_ms=50.0).text()

        assert text.decode() == (
            "START RequestId: id-1 Version: $LATEST\nhello\nEND RequestId: id-1\n"
            "REPORT RequestId: id-1\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t"
            "Max Memory Used: 40 MB\tInit Duration: 50.00 ms\t\n"
        )

    def test_the_tail_is_four_kilobytes(self) -> None:
        """X-Amz-Log-Type: Tail gives the last 4 KB."""
        tail = record(b"x" * 10_000).tail()

        assert len(tail) == 4096
        assert tail.endswith(b"Max Memory Used: 40 MB\t\n")

    def test_tracebacks_have_line_feeds(self) -> None:
        """awslambdaric joins the lines of an error report by carriage returns when it logs to stdout."""
        text = record(b"[ERROR] ValueError: no\rTraceback\r  File\nprogress 1\rprogress 2\n").text()

        assert b"[ERROR] ValueError: no\nTraceback\n  File\nprogress 1\rprogress 2\n" in text
