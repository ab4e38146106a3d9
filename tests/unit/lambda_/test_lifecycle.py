"""The life of a worker is a table without holes."""

from __future__ import annotations

import pytest

from mapfold.local.lambda_.errors import WorkerProtocolError
from mapfold.local.lambda_.lifecycle import LIFECYCLE, Phase, Signal, advance


class TestLifecycle:
    def test_every_phase_has_a_row(self) -> None:
        """A phase that the table leads to, but has no row, would be a KeyError in the middle of a call."""
        reached = {phase for row in LIFECYCLE.values() for phase in row.values()}

        assert set(LIFECYCLE) == set(Phase)
        assert reached | {Phase.STARTING} == set(Phase)

    @pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.GONE])
    def test_a_process_may_exit_in_any_phase(self, phase: Phase) -> None:
        """A crash, a kill or the OOM killer asks no permission."""
        assert advance(phase, Signal.EXITED) is Phase.GONE

    def test_a_warm_worker_goes_round(self) -> None:
        """Asked, given, answered, asked again: a worker serves any number of calls."""
        phase = Phase.STARTING
        round_trip = [Signal.ASKED_FOR_WORK, Signal.GIVEN_WORK, Signal.ANSWERED, Signal.ASKED_FOR_WORK]

        for signal in round_trip:
            phase = advance(phase, signal)

        assert phase is Phase.IDLE

    def test_an_answer_that_nobody_asked_for_says_what_was_allowed(self) -> None:
        """The error lists what the table allows in that phase."""
        with pytest.raises(WorkerProtocolError) as caught:
            advance(Phase.IDLE, Signal.ANSWERED)

        assert str(caught.value) == (
            "a worker that is idle sent: answered; expected: given work, hung up, killed, exited"
        )

    def test_nothing_comes_from_the_dead(self) -> None:
        """GONE is the end."""
        with pytest.raises(WorkerProtocolError, match="expected: nothing"):
            advance(Phase.GONE, Signal.ASKED_FOR_WORK)
