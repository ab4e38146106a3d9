"""The engine of the embedded Step Functions: runs what `mapfold.states` decides.

engine.py       Engine: start, stop, look at executions; one task each
execution.py    one execution, from its start to its last event
driver.py       the loop between a scope's states and the world
world.py        performs effects: tasks, waits, branches, map runs
branches.py     Parallel and inline Map
map_runs.py     distributed Maps (the map run itself is `mapfold.local.map_run`)
children.py     the child executions of a map run
integrations/   what a Task can call
event_log.py, endings.py, clock.py
"""

from mapfold.local.engine.engine import Engine

__all__ = ["Engine"]
