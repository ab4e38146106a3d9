"""The entry of the command line, and the only place that exits.

0: it succeeded; 1: the run failed, or AWS refused; 2: the command line or the job was wrong; 130: interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from mapfold.errors import MapfoldError

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command that `sys.argv` holds, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command; gives its exit code. Errors are said on stderr."""
    try:
        import click
    except ImportError:
        return _say("the command line is not installed. Install it with: pip install 'mapfold[cli]'", code=2)

    from mapfold.cli.app import mapfold

    try:
        answer = mapfold.main(args=list(arguments), prog_name="mapfold", standalone_mode=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", code=INTERRUPTED)
    except BrokenPipeError:
        return _reader_went_away()
    except MapfoldError as error:
        return _say(str(error), code=error.exit_code, show_traceback=_is_debugging(arguments))
    except Exception as error:  # noqa: BLE001 - the edge of the program: whatever it is, one line and an exit code
        return _unexpected(error, show_traceback=_is_debugging(arguments))


def _say(message: str, *, code: int, show_traceback: bool = False) -> int:
    if show_traceback:
        traceback.print_exc()
    sys.stderr.write(f"mapfold: {message}\n")
    return code


def _unexpected(error: Exception, *, show_traceback: bool) -> int:
    """A fault of ours: one line, unless its traceback was asked for."""
    hint = "" if show_traceback else " This is a fault in Mapfold; `mapfold --debug …` shows where it is."
    return _say(f"{type(error).__name__}: {error}.{hint}", code=1, show_traceback=show_traceback)


def _is_debugging(arguments: Sequence[str]) -> bool:
    return "--debug" in arguments or bool(os.environ.get("MAPFOLD_DEBUG"))


def _reader_went_away() -> int:
    """`mapfold history RUN | head` has what it wanted. Python must not fail again when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
