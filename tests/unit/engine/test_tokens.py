"""Open task tokens: who may answer, until when, and what a restart keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mapfold.local.engine.tokens import TaskTokens
from mapfold.local.store import KeptAnswer
from mapfold.states.effects import TaskFailed, TaskSucceeded

MISSED = TaskFailed("States.HeartbeatTimeout", None, timed_out=True)


class Kept:
    """A store of tokens that outlives the tokens' owner."""

    def __init__(self) -> None:
        self.rows: dict[str, KeptAnswer | None] = {}

    def take_open_tokens(self) -> dict[str, KeptAnswer | None]:
        return dict(self.rows)

    def token_opened(self, token: str) -> None:
        self.rows[token] = None

    def token_answered(self, token: str, answer: KeptAnswer) -> None:
        self.rows[token] = answer

    def tokens_closed(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            del self.rows[token]


class TestAnswers:
    async def test_a_success_is_what_was_sent(self) -> None:
        """The value, and its text as it was sent: events show that, blanks and all."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=None)

        assert tokens.answer("t", KeptAnswer('{"a": 1}'))

        assert await opened.answer() == TaskSucceeded({"a": 1}, '{"a": 1}')

    async def test_a_failure_has_the_error_and_cause_that_were_sent_or_none(self) -> None:
        """SendTaskFailure may leave both out."""
        tokens = TaskTokens(Kept())
        named, bare = (tokens.open(name, heartbeat_seconds=None) for name in ("named", "bare"))

        tokens.answer("named", KeptAnswer(error="E", cause="because"))
        tokens.answer("bare", KeptAnswer())

        assert await named.answer() == TaskFailed("E", "because")
        assert await bare.answer() == TaskFailed(None, None)

    async def test_an_answer_may_come_before_anybody_waits_for_it(self) -> None:
        """Who gets the token may be quicker than the call that hands it out."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=None)
        tokens.answer("t", KeptAnswer("1"))
        opened.beat()

        assert (await opened.answer()) == TaskSucceeded(1, "1")

    async def test_only_the_first_answer_counts(self) -> None:
        """A second one is refused, and heartbeats too."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=None)
        tokens.answer("t", KeptAnswer("1"))

        refused = tokens.answer("t", KeptAnswer("2")), tokens.beat("t")

        assert refused == (False, False)
        assert (await opened.answer()) == TaskSucceeded(1, "1")

    async def test_after_it_was_closed_nobody_may_answer(self) -> None:
        """The task timed out, or its execution was stopped. To close twice does no harm."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=None)
        opened.close()
        opened.close()

        assert not tokens.answer("t", KeptAnswer("1"))
        assert not tokens.beat("t")
        assert not tokens.answer("never opened", KeptAnswer("1"))


class TestHeartbeats:
    async def test_the_clock_stands_until_the_first_beat(self) -> None:
        """The function that was called may take longer to return than a heartbeat may be apart."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=0.01)

        await asyncio.sleep(0.03)
        settled = opened.is_settled
        opened.beat()

        assert not settled
        assert await opened.answer() == MISSED

    async def test_every_heartbeat_starts_it_again(self) -> None:
        """So the token is open for longer than HeartbeatSeconds; the first one missed closes it to all answers."""
        tokens = TaskTokens(Kept())
        opened = tokens.open("t", heartbeat_seconds=0.05)
        opened.beat()

        for _ in range(4):
            await asyncio.sleep(0.02)
            assert tokens.beat("t")
        missed = await opened.answer()

        assert missed == MISSED
        assert not tokens.answer("t", KeptAnswer("1"))


class TestRestarts:
    async def test_a_token_is_kept_until_its_end_is(self) -> None:
        """Closed ones are forgotten at the next sweep, when the event of the task's end is on its way to the store."""
        kept = Kept()
        tokens = TaskTokens(kept)
        opened = tokens.open("t", heartbeat_seconds=None)
        tokens.answer("t", KeptAnswer("1"))
        opened.close()
        before = dict(kept.rows)

        tokens.sweep()

        assert (before, kept.rows) == ({"t": KeptAnswer("1")}, {})

    async def test_an_answer_that_was_taken_survives_a_crash(self) -> None:
        """The attempt goes on with the same token, and has it at once. A second answer was refused meanwhile."""
        kept = Kept()
        former = TaskTokens(kept)
        former.open("t", heartbeat_seconds=None)
        former.answer("t", KeptAnswer("1"))

        tokens = TaskTokens(kept)
        refused = tokens.answer("t", KeptAnswer("2"))
        opened = tokens.open("t", heartbeat_seconds=None)

        assert not refused
        assert await opened.answer() == TaskSucceeded(1, "1")

    async def test_an_answer_may_come_before_its_execution_goes_on(self) -> None:
        """Right after a restart the token is open, though nobody waits for it yet."""
        kept = Kept()
        TaskTokens(kept).open("t", heartbeat_seconds=None)
        tokens = TaskTokens(kept)

        taken = tokens.beat("t"), tokens.answer("t", KeptAnswer("1")), tokens.answer("t", KeptAnswer("2"))

        assert taken == (True, True, False)
        assert await tokens.open("t", heartbeat_seconds=None).answer() == TaskSucceeded(1, "1")

    async def test_who_is_cut_off_leaves_its_token_open(self) -> None:
        """The engine ends: what waited is cancelled, and closes its token; it goes on another time."""
        kept = Kept()
        tokens = TaskTokens(kept)
        opened = tokens.open("t", heartbeat_seconds=None)
        tokens.leave()

        opened.close()
        tokens.sweep()

        assert kept.rows == {"t": None}

    async def test_tokens_of_executions_that_do_not_go_on_are_forgotten(self) -> None:
        """They ended while nobody could close their tokens."""
        kept = Kept()
        former = TaskTokens(kept)
        for name in ("on", "over"):
            former.open(name, heartbeat_seconds=None)
        tokens = TaskTokens(kept)

        tokens.forget_others(lambda token: token == "on")

        assert kept.rows == {"on": None}
        assert not tokens.answer("over", KeptAnswer("1"))


async def test_a_thousand_waiting_tokens_need_no_timer() -> None:
    """Without heartbeats nothing of them is on the event loop: they wait as futures, and nothing looks at them."""
    loop = asyncio.get_running_loop()
    tokens = TaskTokens(Kept())
    waiting = [tokens.open(f"t{number}", heartbeat_seconds=None) for number in range(1_000)]
    for one in waiting:
        one.beat()
    started = loop.time()

    for number in range(1_000):
        tokens.answer(f"t{number}", KeptAnswer(str(number)))
    answers = [await one.answer() for one in waiting]

    assert [answer.output for answer in answers if isinstance(answer, TaskSucceeded)] == list(range(1_000))
    assert loop.time() - started < 5
