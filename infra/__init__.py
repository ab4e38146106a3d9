"""Mapfold on AWS: one CDK app, one stack a stage, every job of a folder in it.

`python -m infra synth|diff|deploy|destroy --stage dev` is the command (`infra.command`). It reads the stage
(`infra.config`, stages.toml), loads the jobs, and builds the stack (`infra.stack`), which only wires constructs:

    storage     buckets and tables
    functions   the Lambda functions: a job's five, and what a stage shares; their code is packed by `infra.package`
    machine     a job's state machine, from `workflows`

What a role may do comes from `workflows.permissions`; `infra.policies` makes IAM policies of it.
"""
