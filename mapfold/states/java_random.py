"""Java's `java.util.Random`, for numbers that a seed must repeat as they come on the service."""

from __future__ import annotations

_MULTIPLIER = 0x5DEECE66D
_ADDEND = 0xB
_MASK = (1 << 48) - 1


class JavaRandom:
    """The linear congruential generator that the documentation of `java.util.Random` lays down."""

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ _MULTIPLIER) & _MASK

    def bits(self, count: int) -> int:
        """The next `count` bits (at most 32), as a whole number that is not negative."""
        self._state = (self._state * _MULTIPLIER + _ADDEND) & _MASK
        return self._state >> (48 - count)

    def below(self, bound: int) -> int:
        """`nextInt(bound)`: from 0 to below `bound`, which is at most 2³¹ - 1."""
        if bound & (bound - 1) == 0:
            return (bound * self.bits(31)) >> 31
        while True:
            drawn = self.bits(31)
            value = drawn % bound
            if drawn - value + (bound - 1) < 1 << 31:
                return value

    def between(self, start: int, stop: int) -> int:
        """A number from `start` to below `stop`, as `Random.ints(start, stop)` draws it."""
        size = stop - start
        if size < 1 << 31:
            return start + self.below(size)
        while True:
            drawn = self.bits(32)
            value = drawn - (1 << 32) if drawn >= 1 << 31 else drawn
            if start <= value < stop:
                return value
