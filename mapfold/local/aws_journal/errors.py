"""What the journal raises."""

from __future__ import annotations

from pathlib import Path


class JournalError(Exception):
    """The journal on disk cannot be read, so nothing is served and nothing of it is touched."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}. It holds the S3, DynamoDB and other data of this embedded AWS. Nothing was changed. "
            f"Restore the file from a copy, or move the folder {path.parent} away to start afresh without that data."
        )
        self.path, self.problem = path, problem


class NotKept(Exception):
    """A change could not be written to the journal: it was not made, or nothing more may be changed."""
