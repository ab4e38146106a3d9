"""Request bodies on their way in (rules: `mapfold/local/aws_journal/bodies.py` and `requests.py`)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from mapfold.local.aws_journal.bodies import LARGEST_INLINE, Bodies, IncompleteBody
from mapfold.local.aws_journal.errors import JournalError
from mapfold.local.aws_journal.requests import kept

SMALL, LARGE = b"small", b"large" * LARGEST_INLINE


class BreaksOff(io.BytesIO):
    """What the server hands us when a client's chunk is not one: an OSError, behind what came before."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if not found:
            raise OSError("Invalid chunk header")
        return found


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    return Bodies(tmp_path)


def sent(body: bytes, *, length: str | None) -> dict[str, Any]:
    """With a length, or in chunks."""
    stream = {"wsgi.input": io.BytesIO(body)}
    return {**stream, "wsgi.input_terminated": True} if length is None else {**stream, "CONTENT_LENGTH": length}


@pytest.mark.parametrize("body", [b"", SMALL, LARGE])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_read_whole(bodies: Bodies, body: bytes, chunked: bool) -> None:
    """Large ones are in a file."""
    inline, side = bodies.read(sent(body, length=None if chunked else str(len(body))))

    assert bodies.load(inline, side) == body
    assert (side is not None) is (len(body) > LARGEST_INLINE)


@pytest.mark.parametrize("body", [SMALL, LARGE])
@pytest.mark.parametrize(
    "broken",
    [
        lambda body: sent(body, length=str(len(body) + 1)),
        lambda body: sent(body, length="-1"),
        lambda body: {"wsgi.input": BreaksOff(body), "wsgi.input_terminated": True},
    ],
    ids=["cut short", "no length", "no chunk"],
)
def test_a_body_that_breaks_off_leaves_nothing_behind(bodies: Bodies, tmp_path: Path, body: bytes, broken: Any) -> None:
    """It is the client's fault, not the disk's."""
    with pytest.raises(IncompleteBody):
        bodies.read(broken(body))

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_what_was_written_is_an_error(bodies: Bodies, tmp_path: Path) -> None:
    """It is named."""
    _, side = bodies.read(sent(LARGE, length=str(len(LARGE))))
    assert side is not None
    bodies.check(side)

    bodies.path(side).write_bytes(LARGE.replace(b"l", b"L", 1))

    with pytest.raises(JournalError, match=side.name):
        bodies.check(side)


def test_tokens_and_cookies_are_not_kept() -> None:
    """Whoever has a session's token may be somebody on the real AWS: in a header, or in a URL that was signed."""
    query = "X-Amz-Credential=a%2Fs3&X-Amz-Security-Token=secret&X-Amz-Signature=s"
    environ = {
        "QUERY_STRING": query,
        "RAW_URI": f"/b/k?{query}",
        "HTTP_X_AMZ_SECURITY_TOKEN": "secret",
        "HTTP_COOKIE": "secret",
        "HTTP_X_AMZ_META_A": "kept",
    }

    assert kept(environ) == {
        "QUERY_STRING": "X-Amz-Credential=a%2Fs3&X-Amz-Security-Token=&X-Amz-Signature=s",
        "RAW_URI": "/b/k?X-Amz-Credential=a%2Fs3&X-Amz-Security-Token=&X-Amz-Signature=s",
        "HTTP_X_AMZ_META_A": "kept",
    }
