"""A job for tests of infra: it declares all that a job can, a database in a network above all."""

from __future__ import annotations

from jobs._money import add_up  # type: ignore[import-untyped]
from mapfold import Context, Job, JsonLines, Network, Permission

job = Job(
    "orders",
    source=JsonLines(),
    tables={"orders-seen": ("customer", "order")},
    timeout_seconds=120,
    memory_mb=1769,
    ephemeral_storage_mb=2048,
    reserved_concurrency=50,
    environment={"CURRENCY": "EUR"},
    reads=("s3://orders-archive/2026/",),
    writes=("totals/",),
    permissions=(
        Permission(("sns:Publish",), ("arn:${Partition}:sns:${Region}:${Account}:orders",), "Large orders are told."),
    ),
    network=Network(
        "vpc-0123456789abcdef0",
        subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
        security_groups=("sg-0123456789abcdef0",),
        secrets=("orders/database",),
        connections=60,
        connections_per_worker=2,
    ),
)


@job.map
def total(item: dict[str, int], context: Context) -> int:
    """The money of one order."""
    return item["money"]


@job.fold
def add(one: int, other: int) -> int:
    """Both."""
    return int(add_up(one, other))


@job.finish
def report(partial: int, context: Context) -> int:
    """The total, and a table that says when it was made."""
    context.table("orders-seen").write([{"customer": "all", "order": context.run_id, "total": partial}])
    return partial
