"""Pieces of large objects, each read by one worker: `Splits`, a source whose items are splits.

    job = Job("busiest-routes", source=Splits("csv"))

    @job.map
    def count(split, context):
        for row in context.rows(split): ...

Plan cuts the objects and writes the splits down; no row passes through a state's payload. The parts:

- `source`: what a job declares;
- `objects`: the objects that SOURCE names, one after the other, each with its size, its ETag and its head;
- `cutting`: an object to its splits, with `quotes` (where records end when quoted fields hold newlines), `gzip_members` and
  `parquet`; `sizes` says how large a piece and a batch are;
- `reading`, `records`, `text_rows`: a split to its rows, which `rows` puts together for `context.rows`.

A record belongs to the split in which it begins. Every GET names the ETag that Plan saw: an object that was overwritten
since is an error, and never a mixture of both.
"""

from mapfold.splits.errors import SplitError
from mapfold.splits.source import Splits

__all__ = ["SplitError", "Splits"]
