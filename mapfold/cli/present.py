"""How values look as text: numbers, durations, moments, aligned columns; and JSON that is written as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence

from mapfold.client.values import Counts, Json

MAX_ROWS = 50
_WIDEST_CELL = 80


def number(value: float) -> str:
    """`1,234`, `0.234`, `12.5`."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def counted(count: int, thing: str) -> str:
    """`1 item`, `1,000 items`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def duration(seconds: float | None) -> str:
    """`0.84 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def clock_time(seconds: float) -> str:
    """`2026-01-31 12:00:00`, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def tally(counts: Counts, thing: str) -> str:
    """`365 items: 360 succeeded, 5 failed`; only what there is."""
    parts = {
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timed out": counts.timed_out,
        "aborted": counts.aborted,
        "running": counts.running,
        "pending": counts.pending,
        "waiting for their redrive": counts.pending_redrive,
    }
    said = ", ".join(f"{value:,} {name}" for name, value in parts.items() if value)
    return counted(counts.total, thing) + (f": {said}" if said else "")


def columns(header: Sequence[str], rows: Sequence[Sequence[Json]]) -> list[str]:
    """Lines of an aligned table; columns that hold only numbers are aligned to the right."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in texts)) if texts else len(head) for i, head in enumerate(header)]
    rights = [bool(rows) and all(_is_number(row[i]) or row[i] is None for row in rows) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, rights, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return [line(header), *(line(row) for row in texts)]


def result_lines(result: Json) -> list[str]:
    """A result for people: plain members one a line, members that are objects of objects as a table, bounded."""
    if not isinstance(result, Mapping):
        return _bounded(json.dumps(result, ensure_ascii=False, indent=2).splitlines())
    if _is_table(result):
        return _table(result)
    plain = {key: value for key, value in result.items() if not _is_table(value)}
    lines = columns(("", ""), [(key, _shortened(value)) for key, value in plain.items()])[1:]
    lines = _bounded([line.rstrip() for line in lines])
    for key, value in result.items():
        if _is_table(value):
            lines += ["", f"{key}:", *_table(value)]
    return lines


def json_chunks(value: Json) -> Iterator[str]:
    """The JSON text of `value` in pieces; an iterator in it becomes an array that is written as it comes."""
    if isinstance(value, Mapping):
        yield "{"
        for count, (key, member) in enumerate(value.items()):
            yield f"{', ' if count else ''}{json.dumps(key, ensure_ascii=False)}: "
            yield from json_chunks(member)
        yield "}"
    elif isinstance(value, Iterator | tuple):
        yield "["
        for count, member in enumerate(value):
            if count:
                yield ",\n"
            yield from json_chunks(member)
        yield "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Json) -> str:
    if value is None:
        return ""
    if _is_number(value):
        return number(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


def _shortened(value: Json) -> Json:
    return value if _is_number(value) or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_table(value: Json) -> bool:
    """An object whose members are all objects of plain members, such as {"UA": {"flights": …}, …}."""
    return isinstance(value, Mapping) and bool(value) and all(_is_row(row) for row in value.values())


def _is_row(value: Json) -> bool:
    return isinstance(value, Mapping) and not any(isinstance(cell, Mapping) for cell in value.values())


def _table(value: Mapping[str, Mapping[str, Json]]) -> list[str]:
    shown = dict(list(value.items())[:MAX_ROWS])
    names = list(dict.fromkeys(name for row in shown.values() for name in row))
    lines = columns(("", *names), [(key, *(row.get(name) for name in names)) for key, row in shown.items()])
    left = len(value) - len(shown)
    return [*lines, f"… {left:,} more"] if left else lines


def _bounded(lines: list[str]) -> list[str]:
    left = len(lines) - MAX_ROWS
    return [*lines[:MAX_ROWS], f"… {left:,} more lines"] if left > 0 else lines
