"""What the tests of infra share. Without CDK and Node, which `make synth` installs, they are not collected."""

from __future__ import annotations

import os

from infra.errors import ToolError
from infra.node import use_bundled_node

try:
    use_bundled_node(os.environ)
except ToolError:
    collect_ignore_glob = ["test_*.py"]
