"""How progress is drawn."""

from __future__ import annotations

import io

from mapfold.cli.progress import bar, describe, lines
from mapfold.client.follow import Progress
from mapfold.client.values import Counts, Status


def progress(stage: str, seconds: float, *, done: int = 0, status: Status = Status.RUNNING) -> Progress:
    items = Counts(total=400, succeeded=done)
    return Progress("r1", status, stage, items, Counts(total=40, succeeded=done // 10), seconds, 50.0, 8.0)


def test_a_line_tells_items_batches_rate_and_time_left() -> None:
    """Failures only where there are any."""
    told = describe(progress("Map", 1.0, done=100))

    assert told == "100 of 400 items · 10 of 40 batches · 50 items/s · 8.00 s left"


def test_a_line_tells_which_round_the_pieces_of_dead_batches_are_in() -> None:
    """And behind it no number of failures: the map run counts a dead batch with all its items."""
    items, pieces = Counts(total=400, succeeded=392, failed=8), Counts(total=8, succeeded=3)
    told = describe(Progress("r1", Status.RUNNING, "IsolatePieces", items, Counts(), 1.0, round=2, pieces=pieces))

    behind = describe(Progress("r1", Status.RUNNING, "Fold", items, Counts(), 1.0, round=2))

    assert told == "round 2: 3 of 8 pieces of batches that died"
    assert behind == "400 of 400 items · 0 of 0 batches"


def test_before_anything_is_counted_a_line_tells_the_time() -> None:
    """In words: a bare number of seconds could be anything."""
    told = describe(Progress("r1", Status.RUNNING, "Map", Counts(), Counts(), 0.38, None, None))

    assert told == "0.38 s so far"


def test_where_there_is_no_terminal_lines_come_seldom() -> None:
    """When the stage changes, and then ever further apart; not at the end, which has words of its own."""
    stream = io.StringIO()
    with lines(stream) as watcher:
        for tenth in range(100):
            watcher.progressed(progress("Plan" if tenth < 5 else "Map", tenth / 10, done=tenth))
        watcher.progressed(progress("Finish", 10.0, status=Status.SUCCEEDED))

    said = stream.getvalue().splitlines()

    assert [line.split(":")[0] for line in said] == ["Plan", "Map", "Map", "Map"]


def test_the_bar_is_gone_when_the_run_has_ended() -> None:
    """It draws on the stream that it was given."""
    stream = io.StringIO()

    with bar(stream) as watcher:
        watcher.progressed(progress("Map", 1.0, done=100))

    assert "Map" in stream.getvalue() or stream.getvalue().strip() == ""
