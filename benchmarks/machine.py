"""What a measurement was taken on, and where it is kept."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def facts() -> dict[str, str | int]:
    """What a reader must know to compare numbers: cores, Python, system."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def cores() -> int:
    """The cores that this process may use."""
    return int(facts()["cores"])


def peak_memory_mib(pid: int | None = None) -> float:
    """The most memory that the process (this one: None) has ever had resident. Linux only."""
    for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid or 'self'}/status has no line VmHWM")


def cpu_seconds(pid: int) -> float:
    """The seconds of CPU that the process has used, in itself and in the system. Linux only."""
    # The name, in brackets, may hold spaces; utime and stime are the 14th and 15th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """End the benchmark, and what it has started, if it takes longer: nothing is measured by waiting for ever."""

    def give_up(*_: object) -> None:
        raise SystemExit(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def progress(text: str) -> None:
    """Say what runs now, on one line that the next one overwrites: only where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def keep(benchmark: str, numbers: Mapping[str, float | int]) -> None:
    """Print the machine and the numbers, and keep both as JSON under benchmarks/results/."""
    machine = facts()
    progress("")
    print(f"{benchmark} on {machine['cores']} cores, Python {machine['python']}, {machine['system']}")
    for name, number in numbers.items():
        print(f"  {name.replace('_', ' '):<36} {number:>12,.2f}" if isinstance(number, float) else line(name, number))
    RESULTS.mkdir(exist_ok=True)
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    document = {"benchmark": benchmark, "taken": moment, "machine": machine, "numbers": dict(numbers)}
    (RESULTS / f"{benchmark}-{moment}.json").write_text(json.dumps(document, indent=2) + "\n")


def line(name: str, number: int) -> str:
    return f"  {name.replace('_', ' '):<36} {number:>12,}"
