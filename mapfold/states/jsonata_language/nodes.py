"""The syntax tree of an expression."""

from __future__ import annotations

from typing import Any


class Node:
    """A node: its `kind` says which of the other attributes it has. The parser changes nodes while it shapes them.

    `steps`, `stages`, `predicates`, `group`, `terms` belong to paths; `focus`, `index`, `ancestor` and `is_tuple` to
    steps that carry bindings (`@`, `#`, `%`); `keeps_array` stands for `[]`, `constructs` for an array constructor at
    an end of a path.
    """

    __slots__ = (
        "ancestor",
        "arguments",
        "body",
        "condition",
        "constructs",
        "delete",
        "descending",
        "expression",
        "expressions",
        "focus",
        "group",
        "index",
        "is_thunk",
        "is_tuple",
        "keeps_array",
        "keeps_singleton",
        "kind",
        "left",
        "otherwise",
        "pairs",
        "pattern",
        "predicates",
        "procedure",
        "right",
        "seeking",
        "signature",
        "slot",
        "stages",
        "steps",
        "terms",
        "then",
        "update",
        "value",
    )

    ancestor: Slot | None
    arguments: list[Node]
    body: Node
    condition: Node
    constructs: bool
    delete: Node | None
    descending: bool
    expression: Node
    expressions: list[Node]
    focus: str | None
    group: Node | None
    index: str | None
    is_thunk: bool
    is_tuple: bool
    keeps_array: bool
    keeps_singleton: bool
    kind: str
    left: Node
    otherwise: Node | None
    pairs: list[tuple[Node, Node]]
    pattern: Node
    predicates: list[Node] | None
    procedure: Node
    right: Node
    seeking: list[Slot] | None
    signature: Any
    slot: Slot
    stages: list[Node] | None
    steps: list[Node]
    terms: list[Node]
    then: Node
    update: Node
    value: Any

    def __init__(self, kind: str, value: Any = None, **parts: Any) -> None:
        self.kind = kind
        self.value = value
        self.ancestor = self.delete = self.focus = self.group = self.index = self.otherwise = None
        self.predicates = self.seeking = self.stages = None
        self.constructs = self.is_thunk = self.is_tuple = self.keeps_array = self.keeps_singleton = False
        for name, part in parts.items():
            setattr(self, name, part)


class Slot:
    """The place of a parent (`%`): `level` steps up from where it stands, under a label of its own."""

    __slots__ = ("label", "level", "owner")

    def __init__(self, label: str, owner: Node) -> None:
        self.label, self.level, self.owner = label, 1, owner
