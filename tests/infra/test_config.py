"""stages.toml: what is wrong with it is said with its place, what was found, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.config import LOG_RETENTION_DAYS, STAGES_FILE, Stage, load_stage
from infra.errors import ConfigurationError

Write = Callable[[str], Path]


@pytest.fixture
def stages(tmp_path: Path) -> Write:
    """Write infra/stages.toml."""

    def write(text: str) -> Path:
        file = tmp_path / "infra" / "stages.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    return write


def problems(file: Path, stage: str = "dev") -> list[str]:
    """What loading says, line by line."""
    with pytest.raises(ConfigurationError) as raised:
        load_stage(stage, file)
    return str(raised.value).splitlines()


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_stages_of_this_project_are_well(name: str) -> None:
    """dev and prod are there from the beginning."""
    assert load_stage(name, STAGES_FILE).stack_name == f"mapfold-{name}"


def test_a_stage_needs_to_say_nothing(stages: Write) -> None:
    """What is not said has a default: the public layer, 30 days of logs, the account of who deploys."""
    stage = load_stage("dev", stages("[dev]\n"))

    assert stage == Stage(name="dev")
    assert (stage.account, stage.log_retention_days, stage.powertools_layer) == (None, 30, "public")


def test_a_stage_cannot_be_changed(stages: Write) -> None:
    """It is read once, and whoever has it has the same."""
    stage = load_stage("dev", stages("[dev]\n"))

    with pytest.raises(ValueError, match="frozen"):
        stage.run_days = 1


def test_an_unknown_stage_is_told_those_there_are(stages: Write) -> None:
    """The command line names a stage that the file does not have."""
    file = stages("[dev]\n[prod]\n")

    assert problems(file, "staging") == [
        "infra/stages.toml: there is no stage 'staging'. Use one of: dev, prod. Or add [staging] to the file."
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "jobs.words.memory_mb = 64",
            "dev.jobs.words.memory_mb: it is 64. Use a whole number of MB, which is what Lambda offers, from 128 to 10,240.",
        ),
        (
            'jobs.words.memory_mb = "1024"',
            'it is "1024". Use a whole number of MB, which is what Lambda offers, from 128 to 10,240.',
        ),
        ("jobs.words.timeout_seconds = 901", "it is 901. Use a whole number of seconds from 1 to 900."),
        ("jobs.words.memory = 512", "dev.jobs.words.memory: there is no such key. Write memory_mb."),
        ("log_retention_days = 15", "it is 15. Use one of what CloudWatch Logs offers: 1, 3, 5, 7, 14, 30,"),
        ("region = 7", 'dev.region: it is 7. Use a region, such as "eu-west-1".'),
        ("account = 123456789012", 'dev.account: it is 123456789012. Use an account of 12 digits, as text ("…").'),
        ('kms_key_arn = "alias/mine"', 'it is "alias/mine". Use the ARN of a KMS key'),
        ('powertools_layer = "latest"', 'Use "public", "bundled", or the ARN of a layer\'s version.'),
        ("deletion_protection = 1", "dev.deletion_protection: it is 1. Use true or false"),
        ("api.burst = 0", "dev.api.burst: it is 0. Use a whole number of requests from 1 to 5,000."),
        ("alarms.failed_items_percent = 200", "it is 200. Use a number over 0, at most 100."),
        ("run_days = 14", "it is 14. Use a whole number of days until a run's folder is deleted (a run can go on"),
        ("colour = 1", "dev.colour: there is no such key. There are: account, alarms, api,"),
        ("jobs = 3", "dev.jobs: it is 3. Use a table by job."),
        ('account = "123456789012"', "dev.account: there is an account and no region. Add the region"),
    ],
)
def test_a_mistake_is_said_with_its_place_and_what_to_write(stages: Write, line: str, said: str) -> None:
    """File, key, what was found, what is allowed."""
    (problem,) = problems(stages(f"[dev]\n{line}\n"))

    assert problem.startswith("infra/stages.toml, dev.")
    assert said in problem


def test_a_key_of_another_region_is_found(stages: Write) -> None:
    """A bucket cannot be encrypted with a key of elsewhere."""
    key = "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    (problem,) = problems(stages(f'[dev]\nregion = "eu-west-1"\nkms_key_arn = "{key}"\n'))

    assert "the key is in us-east-1, the stage in eu-west-1. Name a key in eu-west-1." in problem


def test_all_mistakes_of_all_stages_are_said_at_once(stages: Write) -> None:
    """Who deploys dev learns now what would stop prod."""
    file = stages("[dev]\nrun_days = 0\ncolour = 1\n[prod]\napi.burst = 0\n")

    assert [problem.split(":")[0] for problem in problems(file)] == [
        f"infra/stages.toml, {place}" for place in ("dev.run_days", "dev.colour", "prod.api.burst")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dev\n", "it is no TOML"),
        ("run_days = 3\n", "infra/stages.toml, run_days: it is 3, outside of any stage. Put it under [STAGE]."),
        ("[Dev]\n", "infra/stages.toml, [Dev]: 'Dev' is no name of a stage. Use lower-case letters"),
    ],
)
def test_what_is_no_table_of_stages_is_said(stages: Write, text: str, said: str) -> None:
    """Broken TOML, a key before the first table, a name that no stack can have."""
    assert any(said in problem for problem in problems(stages(text)))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """It names the file that was looked for."""
    (problem,) = problems(tmp_path / "infra" / "stages.toml")

    assert problem == "infra/stages.toml: there is no such file. Write it, with a table [dev]."


def test_no_stages_name_begins_with_anothers(stages: Write) -> None:
    """Machines of job b-c in stage a, and of job c in stage a-b, would both be mapfold-a-b-c."""
    file = stages("[a]\n[a-b]\n[ab]\n")

    (problem,) = problems(file, "a")

    assert problem == (
        "infra/stages.toml, [a-b]: names of stage a begin with a-, and this one's do too. "
        "Give it a name that does not begin with a-."
    )


def test_every_retention_has_cdks_name() -> None:
    """CDK's names are in the order of the days, and its last one, INFINITE, is none of CloudWatch's days."""
    from infra.surroundings import _RETENTION

    assert len(_RETENTION) == len(LOG_RETENTION_DAYS)
    assert {days: _RETENTION[days].name for days in (7, 14, 365, 3653)} == {
        7: "ONE_WEEK",
        14: "TWO_WEEKS",
        365: "ONE_YEAR",
        3653: "TEN_YEARS",
    }
