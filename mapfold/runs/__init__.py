"""What happens inside a run, step by step; the handlers in `tasks/` call it, and a test can too.

    plan.make_plan      the source exists: choose batch size and concurrency, open the record
    work.run_batch      one batch of items to one partial, failed items apart
    isolate.isolate     batches whose worker died are split, until each bad item stands alone
    fold.fold_outputs   many partials to one, in as many levels as their size asks for
    finish.finish_run   result.json, failures.jsonl, the record closed
    records.Records     the run's record in DynamoDB

A run's folder in S3 is `folder.RunFolder`. Nothing here knows Lambda, and everything may happen twice: keys are
deterministic and records are written under conditions.
"""
