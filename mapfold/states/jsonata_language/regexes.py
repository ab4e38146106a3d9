"""Regular expressions, run by a machine that counts its steps.

Python's `re` cannot be stopped: `/(a+)+b/` over forty letters would hold up everything for hours. Here the ways that
are still to be tried are on a stack of our own, every step is paid for, and the evaluation's time limit ends it. Runs
of characters from one set are left to `re`, which takes them in one step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapfold.states.jsonata_language.errors import MEMORY_EXCEEDED, UNDEFINED, JsonataError, LimitExceeded
from mapfold.states.jsonata_language.regex_syntax import (
    BACKREF,
    END,
    ITERATION,
    JUMP,
    LOOK,
    LOOP,
    MATCH,
    REPEAT,
    RUN,
    SAVE,
    SET,
    SPLIT,
    START,
    STR,
    WORD,
    Instruction,
    Instructions,
    RegexSyntaxError,
    compile_pattern,
)

Spend = Callable[[int], None]
Registers = tuple[int, ...]

_MOST_WAYS = 1_000_000
"""How many ways may wait to be tried: beyond it the service would be out of memory."""
_STEPS_AT_ONCE = 256
_LINE_ENDS = "\n\r\u2028\u2029"


@dataclass(frozen=True, slots=True)
class Match:
    """Where a regular expression matched. A group that took no part is undefined."""

    text: str
    start: int
    end: int
    groups: tuple[Any, ...]


class Regex:
    """A compiled regular expression."""

    __slots__ = ("_instructions", "_only_at_start", "_prefilter", "_single", "source")

    def __init__(self, source: str, instructions: Instructions) -> None:
        self.source = source
        self._instructions = instructions
        first = next(instruction for instruction in instructions.code if instruction[0] != SAVE)
        self._only_at_start = first[0] == START and not first[1]
        self._prefilter = _prefilter(first)
        self._single = self._prefilter if len(instructions.code) == 4 and first[0] in (STR, SET) else None
        if len(instructions.code) == 4 and first[0] == RUN and first[2] == 1 and not first[3]:
            self._single = first[5]

    def find(self, text: str, start: int, spend: Spend) -> Match | None:
        """The first match at or after `start`. `spend` is told of steps, and may raise."""
        if self._single is not None:  # no ways to try: Python's own search is the whole of it
            spend(1 + (len(text) - start >> 10))
            match = self._single.search(text, start)
            return None if match is None else Match(match.group(), match.start(), match.end(), ())
        groups = self._instructions.groups
        registers = (-1,) * (2 * groups + 2 + 2 * self._instructions.loops)
        at = start
        while at <= len(text):
            if self._prefilter is not None:
                candidate = self._prefilter.search(text, at)
                if candidate is None:
                    return None
                at = candidate.start()
            found = _run(self._instructions.code, text, at, registers, spend)
            if found is not None:
                borders = [found[2 * number : 2 * number + 2] for number in range(groups + 1)]
                first, last = borders[0]
                pieces = (UNDEFINED if end < 0 else text[begin:end] for begin, end in borders[1:])
                return Match(text[first:last], first, last, tuple(pieces))
            if self._only_at_start:
                return None
            at += 1
            spend(1)
        return None

    def is_whole(self, text: str, spend: Spend) -> bool:
        """Whether it matches from the beginning of the text to its end. `spend` is told of steps, and may raise."""
        whole = [*self._instructions.code[:-1], (END, False), (MATCH,)]
        registers = (-1,) * (2 * self._instructions.groups + 2 + 2 * self._instructions.loops)
        return _run(whole, text, 0, registers, spend) is not None


def compile_regex(source: str, flags: str) -> Regex:
    """Compile the text between the slashes, with flags `i` and `m`. Raises JsonataError."""
    try:
        instructions = compile_pattern(source, ignore_case="i" in flags, multiline="m" in flags)
    except RegexSyntaxError as error:
        raise JsonataError("REGEX", source=source, problem=str(error)) from error
    return Regex(source, instructions)


def _prefilter(first: Instruction) -> re.Pattern[str] | None:
    """A pattern of what a match must begin with, where the first instruction says so."""
    if first[0] == STR:
        pattern: re.Pattern[str] = first[3] or re.compile(re.escape(first[1]))
        return pattern
    if first[0] == SET:
        return first[1]  # type: ignore[no-any-return]
    return first[4] if first[0] == RUN and first[2] > 0 else None


def _run(code: list[Instruction], text: str, at: int, registers: Registers, spend: Spend) -> Registers | None:
    """Match the code at one place: the registers at its end, or None.

    A way to try is (next instruction, position, last position, step, registers): a run of characters that may still be
    shorter (or longer, where it is lazy) is one way with many positions.
    """
    ways: list[tuple[int, int, int, Registers]] = []
    groups_end = 0
    steps = 0
    pc = 0
    while True:
        steps += 1
        if steps == _STEPS_AT_ONCE:
            spend(steps)
            steps = 0
            if len(ways) > _MOST_WAYS:
                raise LimitExceeded(MEMORY_EXCEEDED)
        instruction = code[pc]
        operation = instruction[0]
        goes_on = True
        if operation == STR:
            _, piece, size, folded = instruction
            goes_on = text.startswith(piece, at) if folded is None else folded.match(text, at) is not None
            at += size
            pc += 1
        elif operation == SET:
            goes_on = instruction[1].match(text, at) is not None
            at += 1
            pc += 1
        elif operation == RUN:
            _, pattern, least, lazy, _, _ = instruction
            end = pattern.match(text, at).end()
            pc += 1
            if end - at < least:
                goes_on = False
            elif lazy:
                at += least
                if at < end:
                    ways.append((pc, at + 1, end, registers))
            else:
                if end - at > least:
                    ways.append((pc, end - 1, at + least, registers))
                at = end
        elif operation == SPLIT:
            ways.append((pc + instruction[2], at, at, registers))
            pc += instruction[1]
        elif operation == JUMP:
            pc += instruction[1]
        elif operation == SAVE:
            registers = _set(registers, instruction[1], at)
            pc += 1
        elif operation == LOOP:
            pc, registers = _enter_loop(instruction, pc, at, registers, ways)
        elif operation == ITERATION:
            registers = _begin_iteration(instruction, at, registers)
            pc += 1
        elif operation == REPEAT:
            _, loop, least, back = instruction
            place = len(registers) - 2 * loop - 2
            goes_on = registers[place + 1] != at or registers[place] <= least
            pc += back
        elif operation == MATCH:
            spend(steps)
            return registers
        else:
            goes_on, at, registers = _look_around(instruction, text, at, registers, spend)
            pc += 1
        if not goes_on:
            if not ways:
                spend(steps)
                return None
            pc, at, groups_end, registers = ways.pop()
            if at > groups_end:
                ways.append((pc, at - 1, groups_end, registers))
            elif at < groups_end:
                ways.append((pc, at + 1, groups_end, registers))


def _set(registers: Registers, place: int, value: int) -> Registers:
    return (*registers[:place], value, *registers[place + 1 :])


def _enter_loop(
    instruction: Instruction, pc: int, at: int, registers: Registers, ways: list[tuple[int, int, int, Registers]]
) -> tuple[int, Registers]:
    """The head of a loop: it is entered anew (no bounds), or decides whether there is another iteration."""
    _, loop, bounds = instruction
    place = len(registers) - 2 * loop - 2
    if bounds is None:
        return pc + 1, _set(registers, place, 0)
    least, most, lazy, leave = bounds
    count = registers[place]
    if count < least:
        return pc + 1, registers
    if count >= most:
        return pc + leave, registers
    first, other = (pc + leave, pc + 1) if lazy else (pc + 1, pc + leave)
    ways.append((other, at, at, registers))
    return first, registers


def _begin_iteration(instruction: Instruction, at: int, registers: Registers) -> Registers:
    """Count the iteration, note where it begins, and forget what its groups matched in the one before."""
    _, loop, (first, last) = instruction
    place = len(registers) - 2 * loop - 2
    changed = list(registers)
    changed[place] += 1
    changed[place + 1] = at
    if first:
        for number in range(2 * first, 2 * last + 2):
            changed[number] = -1
    return tuple(changed)


def _look_around(
    instruction: Instruction, text: str, at: int, registers: Registers, spend: Spend
) -> tuple[bool, int, Registers]:
    """The instructions that compare a position with what is around it."""
    operation = instruction[0]
    if operation == START:
        return at == 0 or (instruction[1] and text[at - 1] in _LINE_ENDS), at, registers
    if operation == END:
        return at == len(text) or (instruction[1] and text[at] in _LINE_ENDS), at, registers
    if operation == WORD:
        is_border = _is_word(text, at - 1) != _is_word(text, at)
        return is_border is instruction[1], at, registers
    if operation == BACKREF:
        return _match_again(instruction, text, at, registers)
    assert operation == LOOK
    _, negative, behind, code = instruction
    found = _look_behind(code, text, at, registers, spend) if behind else _run(code, text, at, registers, spend)
    return (found is None) is negative, at, registers if found is None or negative else found


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and (text[at].isalnum() or text[at] == "_")


def _match_again(instruction: Instruction, text: str, at: int, registers: Registers) -> tuple[bool, int, Registers]:
    _, number, folds = instruction
    begin, end = registers[2 * number], registers[2 * number + 1]
    if end < 0:
        return True, at, registers
    piece = text[begin:end]
    again = text[at : at + len(piece)]
    return (piece.lower() == again.lower() if folds else piece == again), at + len(piece), registers


def _look_behind(code: list[Instruction], text: str, at: int, registers: Registers, spend: Spend) -> Registers | None:
    """A match that ends at `at`, from the nearest beginning on."""
    ending = [*code[:-1], (END, False), (MATCH,)]
    before = text[:at]
    for begin in range(at, -1, -1):
        found = _run(ending, before, begin, registers, spend)
        if found is not None:
            return found
    return None
