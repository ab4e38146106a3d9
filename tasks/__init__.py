"""The Lambda handlers of a job's state machine, one module a function: plan, work, fold, finish, close.

A handler reads its event, calls one function of `mapfold.runs`, and shapes the answer. Its function's environment is
`mapfold.runs.settings.Settings`, and Powertools' own variables.
"""
