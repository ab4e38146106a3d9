"""The limits of AWS that a job's shape follows from (Step Functions service quotas, AWS Lambda quotas)."""

from __future__ import annotations

EXPRESS_LIMIT_SECONDS = 300
"""An EXPRESS child execution is ended after five minutes, retries and waits included."""

LAMBDA_TIMEOUT_LIMIT_SECONDS = 900
LAMBDA_MEMORY_MB = range(128, 10_241)
LAMBDA_STORAGE_MB = range(512, 10_241)
"""`/tmp` of a function."""
LAMBDA_SUBNETS = 16
LAMBDA_SECURITY_GROUPS = 5

ENVIRONMENT_BYTES = 3_072
"""Names and values of a job's own variables: Lambda takes 4,096 bytes, and Mapfold's are among them."""

MAX_CONCURRENCY = 10_000
"""Children of one map run that can run at once: a hard limit."""

MAX_ITEMS = 100_000_000
"""Items that one map run reads: a hard limit. So no batch can hold more, and who tolerates so many failed ones tolerates all."""

MAX_ITEMS_PER_BATCH = MAX_ITEMS

PAYLOAD_LIMIT_BYTES = 262_144
"""Input or output of a state, UTF-8."""

CRASH_RETRIES = 2
"""How often a step of the run itself (plan, isolate, fold, finish, close) is tried again after a crash or a Lambda timeout.

`work` is not: a batch that died with its worker is split instead (`mapfold.runs.isolate`).
"""

THROTTLED_DELAY_SECONDS = 60
THROTTLED_RETRIES = 5_000
"""How often a call is made again that Lambda has no worker for: a run waits so for another that has what is
reserved.

With full jitter a wait is 30 s in the mean, and 5,000 of them are 41 hours, with a deviation of 20 minutes. Each try
leaves TaskScheduled, TaskStarted and TaskFailed in the history, four events at most: 20,000 of the 25,000 that a
STANDARD execution may have. What is left is for the other retries (13 tries), and for a redrive, which goes on with the
same history.
"""

START_MARGIN_SECONDS = 10
"""A Task's clock runs on while Lambda makes a cold environment; its timeout leaves this much over the function's."""

RETRY_MARGIN_SECONDS = 30
"""What the waits between retries may add to a child execution before five minutes are over."""
