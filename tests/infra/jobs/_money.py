"""A helper of jobs, which a package has to bring."""

from __future__ import annotations


def add_up(one: int, other: int) -> int:
    """Both."""
    return one + other
