"""What moto is asked to change is kept on disk, and done again at the next start: a journal of requests.

moto keeps S3, DynamoDB and all the rest in memory. Around its WSGI application, in its process, this stands:

1. `application.py` takes each request. One that changes something (`changes.py`) is written to the journal
   (`journal.py`, in the format of `records.py`), done by moto, and settled in the journal before its answer is sent.
2. `reproducible.py` makes doing it again come to the same: the identifiers and dates that moto invents while it works
   on a change follow from a seed and a moment, which are in its record. What it sends to others over HTTP it sends
   once (`outgoing.py`).
3. `replay.py` does all settled records again when the process starts, except those whose effect is gone.
4. Which these are is worked out from what each request overwrites and reads (`effects.py`, `liveness.py`);
   `compaction.py` writes the journal anew without them when they are many.

In `<data>/aws/`: `journal`, and under `bodies/` the request bodies that are too large to be in it.
"""
