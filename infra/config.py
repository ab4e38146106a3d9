"""What differs by stage: `stages.toml`, read and checked once, whole, and frozen from then on.

`load_stage` raises ConfigurationError with every problem of the file: where, what was found, what is allowed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from infra.errors import ConfigurationError, Finding
from mapfold.limits import LAMBDA_MEMORY_MB, LAMBDA_TIMEOUT_LIMIT_SECONDS

STAGES_FILE = Path(__file__).parent / "stages.toml"

PUBLIC_LAYER = "public"
BUNDLED_LAYER = "bundled"

STACK_TAG = "mapfold:stack"
"""Of buckets and tables: its value is the name of their stack, which they outlive."""

LAYER_PARAMETER = "PowertoolsLayer"
"""Of the template: the SSM parameter with the ARN of the public layer."""

LOG_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""What CloudWatch Logs offers (PutRetentionPolicy)."""

_STAGE_NAME = r"[a-z][a-z0-9-]{0,19}"


def _whole(low: int, high: int, unit: str) -> Any:
    return Field(ge=low, le=high, description=f"a whole number of {unit} from {low:,} to {high:,}")


def _offered_retention(days: int) -> int:
    if days not in LOG_RETENTION_DAYS:
        raise ValueError("CloudWatch Logs offers no such retention")
    return days


class _Section(BaseModel):
    """A table of stages.toml: no other keys than its own, no conversion of types, no change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ApiLimits(_Section):
    """What the HTTP API takes before it answers 429 (API Gateway's throttling of the stage)."""

    requests_per_second: Annotated[int, _whole(1, 10_000, "requests a second")] = 50
    burst: Annotated[int, _whole(1, 5_000, "requests")] = 100


class AlarmThresholds(_Section):
    """When somebody is told."""

    failed_items_percent: Annotated[
        float, Field(gt=0, le=100, strict=False, description="a number over 0, at most 100")
    ] = 5.0
    oldest_run_hours: Annotated[int, _whole(1, 8_760, "hours")] = 24
    open_map_runs: Annotated[int, _whole(1, 1_000, "map runs")] = 900
    map_run_backlog: Annotated[int, _whole(1, 100_000, "map runs")] = 1
    throttles: Annotated[int, _whole(1, 1_000_000, "throttled calls in five minutes")] = 100
    api_errors: Annotated[int, _whole(1, 1_000_000, "answers 5xx in five minutes")] = 1


class JobOverrides(_Section):
    """What a stage has otherwise than the job's declaration. `None` leaves the declaration."""

    memory_mb: Annotated[
        int | None, _whole(LAMBDA_MEMORY_MB.start, LAMBDA_MEMORY_MB.stop - 1, "MB, which is what Lambda offers,")
    ] = None
    timeout_seconds: Annotated[int | None, _whole(1, LAMBDA_TIMEOUT_LIMIT_SECONDS, "seconds")] = None
    ephemeral_storage_mb: Annotated[int | None, _whole(512, 10_240, "MB")] = None
    reserved_concurrency: Annotated[int | None, _whole(1, 100_000, "invocations at once")] = None
    concurrency: Annotated[int | None, _whole(1, 10_000, "batches at once")] = None
    others_memory_mb: Annotated[
        int, _whole(LAMBDA_MEMORY_MB.start, LAMBDA_MEMORY_MB.stop - 1, "MB, which is what Lambda offers,")
    ] = 512
    environment: Annotated[
        Mapping[str, str],
        Field(description="a table of texts: variables of the job's six functions, beside the job's own"),
    ] = Field(default_factory=dict)
    expiry: Annotated[
        Mapping[str, str],
        Field(description="a table from one of the job's tables to the attribute with the time at which an item goes"),
    ] = Field(default_factory=dict)


class Stage(_Section):
    """One deployment of everything: the stack `mapfold-<name>`."""

    name: Annotated[
        str, Field(pattern=f"^{_STAGE_NAME}$", description="lower-case letters, digits and hyphens, at most 20")
    ]
    account: Annotated[str | None, Field(pattern=r"^\d{12}$", description='an account of 12 digits, as text ("…")')] = (
        None
    )
    region: Annotated[
        str | None, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description='a region, such as "eu-west-1"')
    ] = None
    log_retention_days: Annotated[
        int,
        AfterValidator(_offered_retention),
        Field(description=f"one of what CloudWatch Logs offers: {', '.join(map(str, LOG_RETENTION_DAYS))}"),
    ] = 30
    run_days: Annotated[
        int, _whole(15, 36_500, "days until a run's folder is deleted (a run can go on for 14 days after its end)")
    ] = 90
    noncurrent_days: Annotated[int, _whole(1, 36_500, "days until an overwritten object is deleted")] = 30
    deletion_protection: Annotated[bool, Field(description="true or false: whether tables refuse to be deleted")] = True
    kms_key_arn: Annotated[
        str | None,
        Field(
            pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
            description='the ARN of a KMS key, "arn:aws:kms:REGION:ACCOUNT:key/ID"',
        ),
    ] = None
    powertools_layer: Annotated[
        str,
        Field(
            pattern=rf"^({PUBLIC_LAYER}|{BUNDLED_LAYER}|arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{{12}}:layer:[A-Za-z0-9_-]+:\d+)$",
            description=f'"{PUBLIC_LAYER}", "{BUNDLED_LAYER}", or the ARN of a layer\'s version',
        ),
    ] = PUBLIC_LAYER
    api: ApiLimits = Field(default_factory=ApiLimits, description="a table")
    alarms: AlarmThresholds = Field(default_factory=AlarmThresholds, description="a table")
    jobs: Mapping[str, JobOverrides] = Field(default_factory=dict, description="a table by job")

    @property
    def stack_name(self) -> str:
        """`mapfold-<name>`."""
        return f"mapfold-{self.name}"

    @property
    def machine_prefix(self) -> str:
        """What the names of its state machines start with."""
        return f"{self.stack_name}-"

    @property
    def metrics_namespace(self) -> str:
        """Where its functions' metrics are."""
        return f"Mapfold/{self.name}"

    def of_job(self, name: str) -> JobOverrides:
        """What the stage says of a job; nothing, if it says nothing."""
        return self.jobs.get(name) or JobOverrides()


def load_stage(name: str, file: Path = STAGES_FILE) -> Stage:
    """The stage `name` of the file. All stages of the file are checked, so that prod does not wait for its day to fail."""
    shown = _shown(file)
    tables = _read(file, shown)
    stages: dict[str, Stage] = {}
    findings: list[Finding] = []
    for key, table in tables.items():
        if not isinstance(table, dict):
            findings.append(
                Finding(f"{shown}, {key}", f"it is {table!r}, outside of any stage", "Put it under [STAGE]")
            )
            continue
        try:
            stages[key] = Stage.model_validate({**table, "name": key})
        except ValidationError as error:
            findings += [_finding(each, shown, key) for each in error.errors()]
    findings += [finding for stage in stages.values() for finding in _contradictions(stage, shown)]
    findings += _overlaps(tables, shown)
    if findings:
        raise ConfigurationError(findings)
    if name not in stages:
        known = ", ".join(stages) or "none"
        fix = f"Use one of: {known}. Or add [{name}] to the file"
        raise ConfigurationError([Finding(shown, f"there is no stage {name!r}", fix)])
    return stages[name]


def _read(file: Path, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigurationError([Finding(shown, "there is no such file", "Write it, with a table [dev]")]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([Finding(shown, f"it is no TOML: {error}", "Mend that place")]) from error


def _contradictions(stage: Stage, shown: str) -> Iterator[Finding]:
    """What is wrong only together."""
    if stage.account and not stage.region:
        at = f"{shown}, {stage.name}.account"
        yield Finding(at, "there is an account and no region", "Add the region, or remove the account")
    key_region = stage.kms_key_arn.split(":")[3] if stage.kms_key_arn else None
    if key_region and stage.region and key_region != stage.region:
        found = f"the key is in {key_region}, the stage in {stage.region}"
        yield Finding(f"{shown}, {stage.name}.kms_key_arn", found, f"Name a key in {stage.region}")


def _overlaps(names: Iterable[str], shown: str) -> Iterator[Finding]:
    """Stages whose state machines could have the same names: those of `a` are a-JOB, and so may those of `a-b` be.

    The shared functions of a stage may reach whatever is named so (`workflows.permissions.shared_roles`).
    """
    names = tuple(names)
    for name in names:
        for other in names:
            if name.startswith(f"{other}-"):
                found = f"names of stage {other} begin with {other}-, and this one's do too"
                yield Finding(f"{shown}, [{name}]", found, f"Give it a name that does not begin with {other}-")


def _finding(error: ErrorDetails, shown: str, stage: str) -> Finding:
    """A problem that pydantic found, in our words: the description of the field is what is allowed."""
    path = error["loc"]
    at = f"{shown}, {'.'.join(map(str, (stage, *path)))}"
    if path == ("name",):
        return Finding(f"{shown}, [{stage}]", f"{stage!r} is no name of a stage", f"Use {_allowed(path)}")
    if error["type"] == "extra_forbidden":
        keys = sorted(_keys_beside(path))
        close = get_close_matches(str(path[-1]), keys, n=1)
        fix = f"Write {close[0]}" if close else f"There are: {', '.join(keys)}"
        return Finding(at, "there is no such key", fix)
    found = "it is missing" if error["type"] == "missing" else f"it is {_toml(error['input'])}"
    return Finding(at, found, f"Use {_allowed(path)}")


def _allowed(path: tuple[int | str, ...]) -> str:
    section, key = _section_of(path)
    field = section.model_fields.get(key)
    return (field.description if field else None) or "a table"


def _keys_beside(path: tuple[int | str, ...]) -> set[str]:
    section, _ = _section_of(path)
    return set(section.model_fields) - ({"name"} if section is Stage else set())


def _section_of(path: tuple[int | str, ...]) -> tuple[type[_Section], str]:
    """The table of the file that a path lies in, and its key there."""
    match path:
        case ("api", key, *_):
            return ApiLimits, str(key)
        case ("alarms", key, *_):
            return AlarmThresholds, str(key)
        case ("jobs", _, key, *_):
            return JobOverrides, str(key)
    return Stage, str(path[0])


def _toml(value: object) -> str:
    """A value as it stands in the file."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "a table"
    return str(value)


def _shown(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
