"""Names and ARNs of a map run and its children.

AWS's uuids of both look name-based (version 3). Ours are too, and a child's uuid can be turned back into its index:
the first 64 bits are the map run's own, the other 62 are `index * odd + offset` modulo 2**62. So ten million children
need no table of names, a restarted engine gives every child the name that it had, and GetExecutionHistory on a
child's ARN finds its row by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5

_TAIL = 1 << 62


@dataclass(frozen=True, slots=True)
class MapRunIdentity:
    """Who a map run is. `label` is the Map's Label, or the uuid-like text that stands for a missing one."""

    map_run_arn: str
    machine_name: str
    label: str
    execution_arn: str

    @property
    def uuid(self) -> str:
        """The last part of the map run's ARN: the folder of its result files."""
        return self.map_run_arn.rpartition(":")[2]

    @property
    def child_head(self) -> str:
        """What the names of all children begin with, and those of no other map run."""
        return _constants(self.uuid)[0]

    @property
    def child_machine_arn(self) -> str:
        """The ARN that the children show as their state machine: `…:stateMachine:<SM>/<Label>`."""
        return self._sibling("stateMachine").rpartition(":")[0]

    def child_name(self, index: int) -> str:
        """The name of the child at `index`: a uuid."""
        return child_uuid(self.uuid, index)

    def child_arn(self, index: int) -> str:
        """The ARN of the child at `index`: `…:execution:<SM>/<Label>:<uuid>`."""
        return f"{self._sibling('execution').rpartition(':')[0]}:{self.child_name(index)}"

    def _sibling(self, kind: str) -> str:
        return self.map_run_arn.replace(":mapRun:", f":{kind}:", 1)


def name_uuid(*parts: str | int) -> str:
    """A version-3 uuid of `parts`: always the same for the same parts. Meant for map runs and automatic labels."""
    digest = int.from_bytes(md5("\x00".join(map(str, parts)).encode(), usedforsecurity=False).digest())
    return _text(_version_3(digest >> 64), digest % _TAIL)


def child_uuid(map_run_uuid: str, index: int) -> str:
    """The uuid of the child at `index` of a map run."""
    head, odd, _, offset = _constants(map_run_uuid)
    tail = 0x8000000000000000 | (index * odd + offset) % _TAIL
    return f"{head}{tail >> 48:04x}-{tail & 0xFFFFFFFFFFFF:012x}"


def child_index(map_run_uuid: str, child_uuid: str) -> int:
    """The index that `child_uuid` was made of. Raises ValueError when it is no child of this map run.

    Any index below 2**62 comes back, whether or not the map run has had so many children.
    """
    head, _, inverse, offset = _constants(map_run_uuid)
    if len(child_uuid) != 36 or not child_uuid.startswith(head):
        raise ValueError(f"{child_uuid!r} is not the name of a child of map run {map_run_uuid}")
    tail = int(child_uuid[19:23] + child_uuid[24:], 16)
    return ((tail % _TAIL) - offset) * inverse % _TAIL


def head_of(child_uuid: str) -> str:
    """The part of a child's name that all children of its map run share: `MapRunIdentity.child_head`."""
    return child_uuid[:19]


@lru_cache(maxsize=1024)
def _constants(map_run_uuid: str) -> tuple[str, int, int, int]:
    """The common beginning of the children's uuids; the odd factor, its inverse modulo 2**62; the offset."""
    digest = md5(b"children\x00" + map_run_uuid.encode(), usedforsecurity=False).digest()
    more = md5(b"offset\x00" + map_run_uuid.encode(), usedforsecurity=False).digest()
    head = _version_3(int.from_bytes(digest[:8]))
    odd = int.from_bytes(digest[8:]) % _TAIL | 1
    return _head_text(head), odd, pow(odd, -1, _TAIL), int.from_bytes(more[:8]) % _TAIL


def _version_3(head: int) -> int:
    return head & ~0xF000 | 0x3000


def _head_text(head: int) -> str:
    return f"{head >> 32:08x}-{head >> 16 & 0xFFFF:04x}-{head & 0xFFFF:04x}-"


def _text(head: int, tail: int) -> str:
    tail |= 0x8000000000000000  # the variant of RFC 4122
    return f"{_head_text(head)}{tail >> 48:04x}-{tail & 0xFFFFFFFFFFFF:012x}"
