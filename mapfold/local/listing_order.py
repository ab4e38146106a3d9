"""In which order AWS's request validator tells things: the values of an enumeration, and which members are wrong.

The SDK that optimized integrations are made with keeps the headers of answers in the order of the latter.

    Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]
    2 validation errors detected: Value null at 'roleArn' …; Value null at 'name' …

Neither is an order of anybody's choice: both are those of hash tables by Java's `String.hashCode`. The recorded list of
Step Functions follows from the rule, and so does every one that we found quoted of other services (the tests have them).
"""

from __future__ import annotations

from collections.abc import Sequence

from mapfold.states.java_hash import hash_code, spread

_PLACES = 32
"""Of the table of an enumeration: enough for all in requests of Step Functions and Lambda, of which the largest has six."""
_LEAST_PLACES, _LOAD = 16, 0.75
"""Of a `java.util.HashMap`, which has twice as many whenever more than three quarters are taken."""


def order_of_values(values: Sequence[str]) -> list[str]:
    """The values of an enumeration, given as the service's model has them. Of two at one place the later is first."""
    listed = list(values)
    listed.reverse()
    listed.sort(key=lambda value: hash_code(value) % _PLACES)
    return listed


def order_of_members(names: Sequence[str]) -> list[str]:
    """The members of a structure, given as the service's model has them: as the keys of a HashMap since Java 8."""
    places = _LEAST_PLACES
    while len(names) > places * _LOAD:
        places *= 2
    return sorted(names, key=lambda name: spread(hash_code(name)) % places)
