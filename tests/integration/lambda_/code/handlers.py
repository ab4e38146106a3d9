"""Handlers that do what handlers do, and what they should not."""

import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any

calls = 0


def echo(event: Any, context: Any) -> Any:
    return event


def slow(event: Any, context: Any) -> Any:
    time.sleep(event["seconds"])
    return event


def crash(event: Any, context: Any) -> Any:
    print("last words", flush=True)  # noqa: T201 - what a log is made of
    if event.get("signal"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "status" in event:
        os._exit(event["status"])
    return event


def fail(event: Any, context: Any) -> Any:
    raise ValueError("no such luck")


def unserialisable(event: Any, context: Any) -> Any:
    return {"a": object()}


def large(event: Any, context: Any) -> Any:
    return "x" * event


def talk(event: Any, context: Any) -> Any:
    print(event)  # noqa: T201
    print("to stderr: é", file=sys.stderr)  # noqa: T201
    logging.getLogger().warning("by logging")
    return None


def spawn(event: Any, context: Any) -> Any:
    """Leaves a child process behind that would live for a minute; answers its own and the child's id."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    if event.get("hang"):
        with open(event["pids"], "w") as file:
            file.write(f"{os.getpid()} {child.pid}")
        time.sleep(60)
    return [os.getpid(), child.pid]


def hoard(event: Any, context: Any) -> Any:
    """Holds so many MB, in itself or in a child process, for so many seconds; answers how many."""
    hold = "import sys, time; kept = b'x' * (int(sys.argv[1]) << 20); time.sleep(float(sys.argv[2]))"
    if event.get("in_child"):
        subprocess.run([sys.executable, "-c", hold, str(event["mb"]), str(event["seconds"])], check=True)
    else:
        kept = b"x" * (event["mb"] << 20)
        time.sleep(event["seconds"])
        del kept
    return event["mb"]


def count(event: Any, context: Any) -> Any:
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid()}


def describe(event: Any, context: Any) -> Any:
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path[0],
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "custom": context.client_context.custom if context.client_context else None,
    }
