"""A synthesized stage, as tests look at it: by job, handler and type, never by generated ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapfold.job import LoadedJobs, load_jobs

if TYPE_CHECKING:
    from aws_cdk.assertions import Template

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Deployed:
    """folder: where it was synthesized; template: what CloudFormation gets."""

    folder: Path
    template: Mapping[str, Any]

    @cached_property
    def assertions(self) -> Template:
        """The template, for CDK's own assertions."""
        from aws_cdk.assertions import Template  # starts Node, which most tests do without

        return Template.from_json(dict(self.template))

    @cached_property
    def jobs(self) -> LoadedJobs:
        """The jobs that are deployed."""
        return load_jobs(self.folder / "jobs")

    @property
    def assembly(self) -> Path:
        """The cloud assembly, with templates and packages."""
        return self.folder / "build" / "cdk.out" / "dev"

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs by key."""
        return {name: output["Value"] for name, output in self.template["Outputs"].items()}

    @property
    def tables(self) -> Mapping[str, str]:
        """The logical ids of the jobs' tables by the names that the jobs declare, as the outputs Table0, … tell."""
        keys = takewhile(self.outputs.__contains__, (f"Table{number}" for number in count()))
        parts = (self.outputs[key]["Fn::Join"][1] for key in keys)
        return {declared.removesuffix("="): reference["Ref"] for declared, reference in parts}

    def resources(self, type_: str) -> Mapping[str, Resource]:
        """All resources of a type by logical id."""
        return {name: each for name, each in self.template["Resources"].items() if each["Type"] == type_}

    def function(self, job: str | None, handler: str) -> Resource:
        """The properties of one of a job's functions, or without a job of a shared one."""
        return self.named("AWS::Lambda::Function", self.function_id(job, handler))

    def function_id(self, job: str | None, handler: str) -> str:
        """The logical id of one of a job's functions, or without a job of a shared one."""
        (found,) = (
            name
            for name, each in self.resources("AWS::Lambda::Function").items()
            if each["Properties"]["Handler"] == f"tasks.{handler}.handler"
            and each["Properties"]["Environment"]["Variables"].get("MAPFOLD_JOB") == job
        )
        return found

    def environment(self, job: str, handler: str) -> Mapping[str, Any]:
        """The environment of one of a job's functions."""
        variables: Mapping[str, Any] = self.function(job, handler)["Environment"]["Variables"]
        return variables

    def machine(self, job: str) -> Resource:
        """The properties of a job's state machine."""
        found: Resource
        (found,) = (
            each["Properties"]
            for each in self.resources("AWS::StepFunctions::StateMachine").values()
            if each["Properties"]["StateMachineName"] == f"mapfold-dev-{job}"
        )
        return found

    def statements(self, resource: Resource) -> list[Resource]:
        """What the role of a function or a state machine may do."""
        arn = resource.get("Role") or resource["RoleArn"]
        role = self.named("AWS::IAM::Role", arn["Fn::GetAtt"][0])
        return [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]

    def named(self, type_: str, logical_id: str) -> Resource:
        """The properties of the resource with a logical id, which another one refers to."""
        properties: Resource = self.resources(type_)[logical_id]["Properties"]
        return properties

    def package(self, function: Resource) -> Path:
        """The folder that a function is deployed with."""
        digest = function["Code"]["S3Key"].removesuffix(".zip")
        assets = json.loads((self.assembly / "mapfold-dev.assets.json").read_text())["files"]
        return self.assembly / str(assets[digest]["source"]["path"])

    def functions(self) -> Iterator[Resource]:
        """The properties of all functions."""
        yield from (each["Properties"] for each in self.resources("AWS::Lambda::Function").values())
