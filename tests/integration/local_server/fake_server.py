"""`mapfold local` with the fake engine: `python -m tests.integration.local_server.fake_server PORT AWS_PORT DATA`.

With SLOW_STOP in the environment it says `stopping` and takes a minute to stop; with FULL_DISK nothing more can be
written.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mapfold.errors import MapfoldError
from mapfold.local.backend import Backend
from mapfold.local.endpoints import Endpoints
from mapfold.local.server import Settings, run
from mapfold.local.store import Store
from tests.integration.service.conftest import FakeEngine, Names, check_definition


@asynccontextmanager
async def open_fake(data: Path, store: Store, endpoints: Endpoints) -> AsyncIterator[Backend]:
    if os.environ.get("FULL_DISK"):
        store._writer._connection.execute("PRAGMA max_page_count = 1")
    yield Backend(FakeEngine(store), Names(), check_definition)
    if os.environ.get("SLOW_STOP"):
        sys.stdout.write("stopping\n")
        sys.stdout.flush()
        await asyncio.sleep(60)


def main() -> int:
    port, aws_port, data = sys.argv[1:]
    settings = Settings(port=int(port), aws_port=int(aws_port), data=Path(data), environment=dict(os.environ))
    try:
        return run(settings, open_fake)
    except MapfoldError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
