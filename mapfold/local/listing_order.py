"""In which order AWS's request validator tells the values of an enumeration. Members are in `names_in_map_order`.

    Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]
    2 validation errors detected: Value null at 'roleArn' …; Value null at 'name' …

Neither is an order of anybody's choice: both are those of hash tables by Java's `String.hashCode`. The recorded list of
Step Functions follows from the rule, and so does every one that we found quoted of other services (the tests have them).
"""

from __future__ import annotations

from collections.abc import Sequence

from mapfold.states.java_hash import hash_code

_PLACES = 32
"""Of the table of an enumeration: enough for all in requests of Step Functions and Lambda, of which the largest has six."""


def order_of_values(values: Sequence[str]) -> list[str]:
    """The values of an enumeration, given as the service's model has them. Of two at one place the later is first."""
    listed = list(values)
    listed.reverse()
    listed.sort(key=lambda value: hash_code(value) % _PLACES)
    return listed
