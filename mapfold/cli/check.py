"""`mapfold check JOB`: try the laws of the job's fold on partials of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mapfold.cli.factory import Connection, Factory, Place
from mapfold.cli.output import Output
from mapfold.cli.present import counted
from mapfold.client.values import Json
from mapfold.errors import UsageError

if TYPE_CHECKING:
    from mapfold.client.laws import Counterexample, Pool, Verdict
    from mapfold.job import Job

SEED = 1
_RUNS = 20
"""Ended runs of a job that are looked at, newest first, until one has partials."""

_CHARACTERS = 400
_SIDES = {
    "commutative": ("fold(a, b)", "fold(b, a)"),
    "associative": ("fold(fold(a, b), c)", "fold(a, fold(b, c))"),
    "carried": ("fold(a, b)", "from JSON"),
    "unchanged": ("b before", "b after"),
}


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What the command line says about a check."""

    job: str
    run: str | None
    place: Place
    jobs_folder: Path
    pairs: int
    as_json: bool = False


def check(options: CheckOptions, factory: Factory, output: Output) -> int:
    """Try the laws. 0 if they hold, 1 with a counterexample; UsageError (2) if there is nothing to try them on."""
    from mapfold.client.laws import try_laws

    job = factory.job(options.jobs_folder, options.job)
    if job.result_kind == "shards":
        raise UsageError(f"job {job.name!r} has no @job.fold: its result is every item's value, and nothing is merged")
    with factory.connect(options.place, output.note) as connection:
        run_id, pools = _partials(job, options, connection, factory)
    verdict = try_laws(job, pools, pairs=options.pairs, seed=SEED)
    partials = sum(map(len, pools))
    if options.as_json:
        output.document(_document(job, run_id, partials, verdict))
    else:
        output.facts(_lines(job, run_id, partials, verdict))
    return 0 if verdict.holds else 1


def _partials(job: Job, options: CheckOptions, connection: Connection, factory: Factory) -> tuple[str, list[Pool]]:
    """The run, and partials of it that may be folded with one another. UsageError says what to do if there are none."""
    from mapfold import client
    from mapfold.client.samples import sample_pools

    aws = connection.aws
    if options.run is not None:
        found = client.find_run(aws, options.run)
        if (other := aws.target.job_of(found.state_machine_arn)) != job.name:
            raise UsageError(f"{found.name} is a run of job {other!r}: its partials are not those of {job.name!r}")
        names = [found.name]
    else:
        ended = (run.run_id for run in client.runs(aws, job=job.name) if run.status.is_terminal)
        names = list(islice(ended, _RUNS))
    for name in names:
        pools = sample_pools(aws, job, name)
        if any(len(pool) > 1 for pool in pools):
            return name, pools
    run_it = factory.typed("run", job.name, options.place)
    if job.example_function is None:
        run_it += " s3://BUCKET/KEY"
    if not names:
        raise UsageError(
            f"job {job.name!r} has no run that has ended, so there are no partials to try. First: {run_it}"
        )
    looked = f"run {names[0]}" if len(names) == 1 else f"the last {len(names)} runs of job {job.name!r}"
    what = "two records of one key" if job.result_kind == "parts" else "two partials"
    raise UsageError(
        f"{looked} left no {what} in S3: each batch leaves one, if any of its items succeeds. Run it over more items, or with a smaller batch_items, "
        f"so that there are several batches: {run_it}"
    )


def _document(job: Job, run_id: str, partials: int, verdict: Verdict) -> dict[str, Json]:
    return {
        "job": job.name,
        "run_id": run_id,
        "holds": verdict.holds,
        "partials": partials,
        "pairs": verdict.pairs,
        "triples": verdict.triples,
        "seed": SEED,
        "counterexamples": [example.as_document() for example in verdict.counterexamples],
    }


def _lines(job: Job, run_id: str, partials: int, verdict: Verdict) -> list[str]:
    from mapfold.client.laws import LAWS

    thing = "record" if job.result_kind == "parts" else "partial"
    lines = [f"the fold of {job.name}, on {counted(partials, thing)} of run {run_id}"]
    for law in LAWS:
        tried = counted(verdict.triples, "triple") if law == "associative" else counted(verdict.pairs, "pair")
        holds = "DOES NOT HOLD" if law in verdict.found else "holds" if tried[0] != "0" else "not tried: it takes three"
        lines.append(f"  {law:<12} {tried:<14} {holds}")
    for example in verdict.counterexamples:
        lines += ["", *_example_lines(example)]
    return lines


def _example_lines(example: Counterexample) -> list[str]:
    from mapfold.client.laws import first_difference

    one, other = _SIDES[example.law]
    lines = [f"not {example.law}, first at {example.path}"]
    shown = [*zip("abc", example.partials, strict=False), (one, example.one), (other, example.other)]
    lines += [f"  {name:<20} {_shortened(value)}" for name, value in shown]
    difference = first_difference(example.one, example.other)
    if difference is not None:
        lines.append(f"  {'there':<20} {_shortened(difference[1])} and {_shortened(difference[2])}")
    return [*lines, f"  {example.hint}"] if example.hint else lines


def _shortened(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    left = len(text) - _CHARACTERS
    return text if left <= 0 else f"{text[:_CHARACTERS]}… ({left:,} characters more, all with --json)"
