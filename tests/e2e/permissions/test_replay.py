"""What each role did in real runs is what its policy allows: nothing more is asked for, nothing more is granted."""

from __future__ import annotations

import pytest

from tests.e2e.permissions.recording import replay_once
from tests.e2e.permissions.replay import SHARED, Grant, Replay, permissions_of, policies_of, unused_grants
from tests.e2e.permissions.unused import UNUSED, unexplained

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """What the roles asked of IAM in real runs."""
    return replay_once(tmp_path_factory)


@pytest.fixture(scope="session")
def unused(replay: Replay) -> list[Grant]:
    """What no run asked for, of all that the roles may do on a stage with a key of its own."""
    return unused_grants(replay, {owner: policies_of(owner, with_key=True) for owner in replay.owners()})


class TestReplay:
    def test_every_call_of_the_runs_is_allowed(self, replay: Replay) -> None:
        """By the statements of the role that made it, with the names of the embedded AWS."""
        policies = {owner: policies_of(owner) for owner in replay.owners()}

        refused = replay.refused(policies)

        assert not refused, "\n".join(refused)

    def test_nothing_is_allowed_that_no_run_needs(self, unused: list[Grant]) -> None:
        """Every action of every statement was asked for on every resource that it names, or there is a reason."""
        assert unexplained(unused) == []

    def test_no_reason_is_for_something_that_is_used(self, unused: list[Grant]) -> None:
        """A reason that no longer holds goes."""
        assert [each for each in UNUSED if not any(each.covers(grant) for grant in unused)] == []

    def test_statements_for_a_stage_with_a_key_are_looked_at_too(self, unused: list[Grant]) -> None:
        """Not one of the roles that use the key is left out."""
        roles = {grant.role for grant in unused if grant.action.startswith("kms:")}

        assert roles == {"plan", "work", "isolate", "fold", "finish", "state-machine", "api", "start"}

    @pytest.mark.parametrize("owner", ["everything", SHARED])
    def test_every_role_was_seen_at_work(self, replay: Replay, owner: str) -> None:
        """Otherwise the recorder would see nothing, and nothing would be refused."""
        seen = {asked.role for asked in replay.asked if asked.owner == owner}

        assert seen == set(permissions_of(owner))

    def test_a_call_that_no_statement_covers_is_refused(self, replay: Replay) -> None:
        """The same calls, of a role without one of its statements."""
        policies = {owner: policies_of(owner) for owner in replay.owners()}
        policies["everything"]["work"] = [
            statement for statement in policies["everything"]["work"] if statement["Sid"] != "SpillPartial"
        ]

        (line,) = replay.refused(policies)

        assert line.startswith("everything work may not Request(action='s3:PutObject'")
        assert "/partials/map/000000000004-" in line
