"""What a job's modules import that is not ours: on Lambda it is there only if somebody brings it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from infra.errors import Finding

ON_LAMBDA = frozenset(
    {
        *sys.stdlib_module_names,
        *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six", "awslambdaric"),  # the runtime's
        *("aws_lambda_powertools", "aws_xray_sdk", "pydantic", "typing_extensions", "wrapt"),  # the layer's
    }
)


def missing_imports(job: str, modules: Mapping[str, Path], brought: Collection[str]) -> Iterator[Finding]:
    """Imports of the job's modules, by their places in a package, that fail on Lambda. `brought`: top names that do not.

    Only those at the top of a module, which every function meets. What stands in a function, or under `try` or `if`, may
    be meant for another machine.
    """
    known = {*ON_LAMBDA, *brought}
    for place, path in sorted(modules.items()):
        for line, name in _imports(path):
            if name not in known:
                yield Finding(
                    f"{place}:{line}",
                    f"it imports {name}, which neither Lambda's Python nor the Powertools layer has",
                    f'Name it in a lock file with hashes beside the module, and write Job("{job}", requirements="{job}.lock")',
                )


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.parse(path.read_text(), str(path)).body:
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield node.lineno, module.partition(".")[0]
