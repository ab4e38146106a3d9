"""What others say of the stack: cdk-nag's AWS Solutions pack, and cfn-lint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks

from infra.synthesis import Order, synthesize

FINDING = Mapping[str, Any]


def judge(app: App) -> None:
    """Let the pack judge every construct of the app, when it is synthesized."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage dev of this repository with its jobs, judged; a finding that nobody answered for ends synth."""
    folder = tmp_path_factory.mktemp("judged")
    return synthesize(Order("dev", build=folder, tables_record=folder / "tables.json"), check=judge).output


@pytest.fixture(scope="module")
def report(assembly: Path) -> FINDING:
    """What the pack reported."""
    (found,) = [
        each
        for each in json.loads((assembly / "validation-report.json").read_text())["pluginReports"]
        if each["pluginName"] == "AwsSolutions"
    ]
    return dict(found)


def rule(finding: FINDING) -> str:
    """A finding's rule, without what is in brackets."""
    return str(finding["ruleName"]).partition("[")[0]


def test_the_aws_solutions_pack_finds_nothing_that_is_not_answered_for(report: FINDING) -> None:
    """No violation is left, and there were some: the pack looked."""
    assert (report["conclusion"], report["violations"]) == ("success", [])
    assert len(report["suppressedViolations"]) > 0


def test_four_rules_are_answered_for_and_no_others(report: FINDING) -> None:
    """
    COG4: callers sign with IAM, there is no user pool. APIG3: no web firewall. IAM5: wildcards in ARNs. L1: a version
    of Python that is not the newest.
    """
    rules = {rule(each) for each in report["suppressedViolations"]}

    assert rules == {
        "AwsSolutions-COG4",
        "AwsSolutions-APIG3",
        "AwsSolutions-IAM5",
        "AwsSolutions-L1",
    }


def test_every_answer_is_a_reason_next_to_its_construct(assembly: Path) -> None:
    """A sentence, given at one role, function, API or stage: none for the whole stack."""
    metadata = json.loads((assembly / "mapfold-dev.metadata.json").read_text())
    answers = [
        (path, reason)
        for path, entries in metadata.items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for reason in entry["data"].values()
    ]

    assert len(answers) > 0
    for path, reason in answers:
        assert path.strip("/").count("/") >= 2, path
        assert re.fullmatch(r"[A-Z].{30,}\.", reason), reason


def test_every_wildcard_is_answered_for_by_itself(report: FINDING) -> None:
    """Each says which resource it is about, so that a new wildcard is a new finding."""
    wildcards = [each["acknowledgedId"] for each in report["suppressedViolations"] if rule(each) == "AwsSolutions-IAM5"]

    assert all(re.search(r"\[(Resource|Action)::.+\]$", each) for each in wildcards)


def test_the_pack_would_find_what_is_wrong() -> None:
    """A topic that takes plain HTTP ends synth, with the rule's name: the check is no ornament."""
    app = App()
    sns.Topic(Stack(app, "Open"), "Topic")
    judge(app)

    with pytest.raises(RuntimeError, match="AwsSolutions-SNS3"):
        app.synth()


def test_cfn_lint_accepts_the_template(assembly: Path) -> None:
    """All rules but W3005: CDK writes a DependsOn beside the reference that has the same effect."""
    linted = subprocess.run(
        [
            Path(sys.executable).with_name("cfn-lint"),
            "--ignore-checks",
            "W3005",
            "--",
            *assembly.glob("*.template.json"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (linted.stdout, linted.returncode) == ("", 0)
