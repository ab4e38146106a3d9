"""The command: a stage to a template, to a stack on AWS, and back to nothing.

It ends with 0 when all was done, 1 when AWS or a tool said no, 2 when the configuration or a job is wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.account import LOGS_ROLE_PARAMETER, Account, check_bootstrap, find_account, lacks_api_logs_role
from infra.concurrency import check_concurrency
from infra.config import LAYER_PARAMETER, load_stage
from infra.errors import ToolError
from infra.node import cdk_command, use_bundled_node
from infra.package import ROOT
from infra.removal import Removal, Standing
from infra.synthesis import Order, Synthesized, synthesize
from mapfold.errors import MapfoldError

INTERRUPTED = 130

_LEFTOVER = ", left by an earlier deployment or by a job that is no longer in the stack"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; gives its exit code. Errors are said on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.carry_out(options, World.real()))
    except MapfoldError as error:
        _say(f"infra: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("infra: interrupted")
        return INTERRUPTED


@dataclass(frozen=True, slots=True)
class World:
    """What a command acts on: the shell's environment, CDK, AWS, the `cdk` command, the person at the keyboard."""

    environment: Mapping[str, str]
    synthesize: Callable[[Order], Synthesized]
    session: Callable[[], boto3.Session]
    run: Callable[[Sequence[str], Mapping[str, str]], int]
    ask: Callable[[str], str]
    say: Callable[[str], None]

    @staticmethod
    def real() -> World:
        """The real one."""
        return World(os.environ, _synthesize, _session, _run, input, _say)


def synth(options: argparse.Namespace, world: World) -> int:
    """Write the template and the assets; say where."""
    _synthesized(options, world)
    return 0


def diff(options: argparse.Namespace, world: World) -> int:
    """Show what a deployment would change."""
    made = _synthesized(options, world)
    account = find_account(world.session(), made.stage)
    return _cdk(world, account, "diff", made.stage.stack_name, "--app", str(made.output), *options.cdk)


def deploy(options: argparse.Namespace, world: World) -> int:
    """Make the account what the stage says."""
    made = _synthesized(options, world)
    session = world.session()
    account = find_account(session, made.stage)
    check_bootstrap(session, account, command=f"{_called()} bootstrap --stage {made.stage.name}")
    for line in check_concurrency(session, account, made):
        world.say(line)
    given = [
        *options.parameter,
        *_layer(options.parameter, made.template),
        *_logs_role(options.parameter, session, account, world),
    ]
    parameters = [word for each in given for word in ("--parameters", each)]
    outputs = made.output.parent / f"{made.stage.name}-outputs.json"
    words = [made.stage.stack_name, "--app", str(made.output), "--outputs-file", str(outputs), *parameters]
    code = _cdk(world, account, "deploy", *words, *options.cdk)
    if code == 0:
        world.say(f"deployed. Start a run with: mapfold run JOB SOURCE --on aws --stack {made.stage.stack_name}")
    return code


def bootstrap(options: argparse.Namespace, world: World) -> int:
    """Prepare an account and a region for CDK, once: a bucket for assets, and roles to deploy with."""
    stage = load_stage(options.stage)
    account = find_account(world.session(), stage)
    return _cdk(world, account, "bootstrap", str(account), *options.cdk)


def destroy(options: argparse.Namespace, world: World) -> int:
    """Delete the stack, once its name was typed; with --delete-data what it stored, too."""
    stage = load_stage(options.stage)
    session = world.session()
    account = find_account(session, stage)
    removal = Removal(session, account.region, say=world.say)
    standing = removal.standing(stage.stack_name)
    if not standing.is_there and not (standing.stored and options.delete_data):
        world.say(_nothing_to_do(standing, account))
        return 0
    world.say(_announcement(standing, account, delete_data=options.delete_data))
    if world.ask(f"Type the stack's name, {stage.stack_name}, to go on: ").strip() != stage.stack_name:
        raise ToolError("that is not its name. Nothing was deleted.")
    if standing.is_there:
        removal.delete_stack(stage.stack_name)
    if options.delete_data:
        removal.delete_all(standing.stored)
    world.say(f"{stage.stack_name} is gone{'' if options.delete_data else '; what it stored is kept'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra", description="Mapfold on AWS: one stack a stage.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for carry_out in (synth, diff, deploy, destroy, bootstrap):
        told = (carry_out.__doc__ or "").strip()
        command = commands.add_parser(carry_out.__name__, help=told, description=told)
        command.set_defaults(carry_out=carry_out)
        command.add_argument("--stage", default="dev", help="one of infra/stages.toml (default: dev)")
        if carry_out in (synth, diff, deploy):
            command.add_argument(
                "--jobs", type=Path, default=ROOT / "jobs", metavar="DIR", help="the folder of the jobs"
            )
        if carry_out in (diff, deploy, bootstrap):
            command.add_argument("cdk", nargs="*", metavar="-- OPTION", help="more options of the cdk command")
        if carry_out is deploy:
            command.add_argument(
                "--parameter", action="append", default=[], metavar="KEY=VALUE", help="of the template"
            )
        if carry_out is destroy:
            command.add_argument("--delete-data", action="store_true", help="delete its buckets and tables, too")
    return parser


def _synthesized(options: argparse.Namespace, world: World) -> Synthesized:
    made = world.synthesize(Order(options.stage, jobs_folder=options.jobs))
    count, jobs = len(made.template["Resources"]), ", ".join(made.jobs) or "none"
    world.say(f"{made.stage.stack_name}: {count} resources for the jobs {jobs}, in {_short(made.output)}")
    if made.records_tables:
        world.say("infra/tables.json has changed: it records the keys of new tables. Commit it.")
    return made


def _cdk(world: World, account: Account, *words: str) -> int:
    """Run the `cdk` command where the account is; it neither reports nor fetches notices."""
    environment = {
        **world.environment,
        "AWS_REGION": account.region,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
    }
    return world.run([*cdk_command(), *words], environment)


def _layer(given: Sequence[str], template: Mapping[str, Any]) -> list[str]:
    """The template's own default for its layer: `cdk` keeps what the stack had before, so an update would never arrive."""
    declared = template.get("Parameters", {}).get(LAYER_PARAMETER)
    if declared is None or any(each.startswith(f"{LAYER_PARAMETER}=") for each in given):
        return []
    return [f"{LAYER_PARAMETER}={declared['Default']}"]


def _logs_role(given: Sequence[str], session: boto3.Session, account: Account, world: World) -> list[str]:
    """The parameter that lets the stack give API Gateway its role for logs, where the account has none."""
    if any(each.startswith(f"{LOGS_ROLE_PARAMETER}=") for each in given) or not lacks_api_logs_role(session, account):
        return []
    world.say(f"API Gateway may not write logs in {account} yet: the stack sets its role for that, and leaves it there")
    return [f"{LOGS_ROLE_PARAMETER}=create"]


def _announcement(standing: Standing, account: Account, *, delete_data: bool) -> str:
    what = f"the stack {standing.name}" if standing.is_there else f"what the stack {standing.name} has left"
    fate = "deleted with everything in it" if delete_data else "kept"
    lines = [f"  {stored}{_LEFTOVER if stored.is_leftover else ''}: {fate}" for stored in standing.stored]
    return "\n".join([f"About to delete {what} in account {account.number}, {account.region}.", *lines])


def _nothing_to_do(standing: Standing, account: Account) -> str:
    there = f"there is no stack {standing.name} in account {account.number}, {account.region}"
    left = "\n".join(f"  {stored}" for stored in standing.stored)
    return f"{there}; it has left:\n{left}\nDELETE_DATA=yes deletes them." if left else there


def _called() -> str:
    return f"{_short(Path(sys.executable))} -m infra"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _synthesize(order: Order) -> Synthesized:
    use_bundled_node(os.environ)
    return synthesize(order)


def _session() -> boto3.Session:
    """boto3 reads AWS_DEFAULT_REGION alone; AWS_REGION, as every other SDK and the `cdk` command have it, comes first."""
    return boto3.Session(region_name=os.environ.get("AWS_REGION"))


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    return subprocess.run(command, check=False, env=dict(environment), cwd=ROOT).returncode


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
