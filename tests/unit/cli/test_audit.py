"""What `mapfold audit` says while it goes on."""

from __future__ import annotations

from mapfold.cli.audit import Progress


def test_a_long_audit_says_how_far_it_is() -> None:
    """After two seconds, and then later and later: a short one says nothing, an hour's does not fill the screen."""
    said: list[str] = []
    now = [0.0]
    progress = Progress(said.append, clock=lambda: now[0])

    for second in range(12):
        now[0] = float(second)
        progress("comparing the manifest", second * 1_000, 10_000_000)

    assert said == [
        "comparing the manifest: 2,000 of 10,000,000 items",
        "comparing the manifest: 5,000 of 10,000,000 items",
        "comparing the manifest: 10,000 of 10,000,000 items",
    ]


def test_without_a_total_it_says_what_is_done() -> None:
    """What the batches say is read before anybody knows how many items there are."""
    said: list[str] = []
    now = [0.0]
    progress = Progress(said.append, clock=lambda: now[0])
    now[0] = 3.0

    progress("reading what the run did", 1, None)

    assert said == ["reading what the run did: 1 item"]
