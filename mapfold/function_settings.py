"""What Lambda takes as a function's environment and packages, checked where a job declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mapfold.access import Mistake
from mapfold.limits import ENVIRONMENT_BYTES

_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
_OF_LAMBDA = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    }
)  # fmt: skip
_OURS = re.compile(r"MAPFOLD_.*|POWERTOOLS_SERVICE_NAME|POWERTOOLS_METRICS_NAMESPACE|POWERTOOLS_TRACE_DISABLED")
_PINNED = re.compile(
    r"[A-Za-z0-9][\w.-]*(\[[\w.,-]+\])?==[\w.!+-]+( *;[^#]*?)?(?P<hashes>( +--hash=sha256:[0-9a-f]{64})+)"
)


def environment_mistake(environment: Mapping[str, str]) -> Mistake | None:
    """What is wrong with a job's `environment`, if anything. Lambda would say it at deployment, one function a time."""
    for name, value in environment.items():
        if not isinstance(name, str) or not isinstance(value, str):
            return f"environment has {name!r}: {value!r}", "Names and values are strings"
        if name in _OF_LAMBDA or _OURS.fullmatch(name):
            whose = "Lambda's own" if name in _OF_LAMBDA else "Mapfold's own"
            return f"environment has {name}, which is {whose}", "Give it another name"
        if not _VARIABLE.fullmatch(name):
            return f"environment has {name!r}", "Use two or more letters, digits and _, a letter first"
    size = sum(len(f"{name}{value}".encode()) for name, value in environment.items())
    if size > ENVIRONMENT_BYTES:
        problem = f"environment has {size:,} bytes; {ENVIRONMENT_BYTES:,} of Lambda's 4 KB are the job's"
        return problem, "Put what is large into S3, and what is secret into Network(secrets=…)"
    return None


def requirements_mistake(path: Path) -> Mistake | None:
    """What is wrong with the lock file of a job's packages, if anything."""
    make = "Make it with `pip-compile --generate-hashes` or `uv pip compile --generate-hashes`"
    if not path.is_file():
        return f"requirements names {path.name!r}, and there is no such file beside the module", make
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in (line.split(" #")[0].strip() for line in lines):
        if line and not line.startswith("#") and not _PINNED.fullmatch(re.sub(r"\s+", " ", line)):
            return f"requirements {path.name!r} has {line[:80]!r}, which is not pinned by version and sha256", make
    return None
