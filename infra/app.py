"""The CDK app, for who calls the `cdk` command by hand: `cdk synth --context stage=dev`."""

from __future__ import annotations
