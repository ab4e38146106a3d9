"""The functions of JSONata 2.0.6, in one table. `$eval` is not among them: the service has none."""

from __future__ import annotations

from typing import Any

from mapfold.states.jsonata_language.builtins.aggregation import AGGREGATION
from mapfold.states.jsonata_language.builtins.arrays import ARRAYS
from mapfold.states.jsonata_language.builtins.dates import DATES
from mapfold.states.jsonata_language.builtins.higher_order import HIGHER_ORDER
from mapfold.states.jsonata_language.builtins.matching import MATCHING
from mapfold.states.jsonata_language.builtins.numbers import NUMBERS
from mapfold.states.jsonata_language.builtins.objects import OBJECTS
from mapfold.states.jsonata_language.builtins.strings import STRINGS
from mapfold.states.jsonata_language.builtins.urls import URLS

BUILTINS: dict[str, Any] = {
    **AGGREGATION,
    **ARRAYS,
    **DATES,
    **HIGHER_ORDER,
    **MATCHING,
    **NUMBERS,
    **OBJECTS,
    **STRINGS,
    **URLS,
}
