"""The Lambda handlers of a job's state machine, one module a function: plan, work, isolate, fold, finish, close.

A handler reads its event, calls one function of `mapfold.runs`, and shapes the answer. Its function's environment is
`mapfold.runs.settings.Settings`, and Powertools' own variables.

Beside them are the functions that a stage has once for all its jobs: api (the HTTP API), start (the start queue and uploads)
and watch (the age of running runs). They call `mapfold.client`; their environment is read by its `lambda_target`.
"""
