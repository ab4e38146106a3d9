"""The CDK app, for who calls the `cdk` command by hand: `cdk diff --context stage=dev` finds it through cdk.json.

`python -m infra` calls `synthesize` itself and hands what it made to `cdk`, so that a bad stage is one line there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.node import use_bundled_node
from infra.package import ROOT
from infra.synthesis import Order, synthesize
from mapfold.errors import MapfoldError


def main(environment: Mapping[str, str]) -> int:
    """The app, as the `cdk` command calls it: the stage and the folder of jobs are context."""
    context = json.loads(environment.get("CDK_CONTEXT_JSON") or "{}")
    order = Order(
        stage=context.get("stage", "dev"),
        jobs_folder=Path(context.get("jobs", ROOT / "jobs")),
        outdir=Path(environment["CDK_OUTDIR"]) if environment.get("CDK_OUTDIR") else None,
        account=environment.get("CDK_DEFAULT_ACCOUNT"),
        region=environment.get("CDK_DEFAULT_REGION"),
    )
    try:
        use_bundled_node(os.environ)
        synthesize(order)
    except MapfoldError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
