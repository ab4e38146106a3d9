"""From the parsed tree to the one that is evaluated: paths get their steps, predicates and groups their place,
parents (`%`) the step that they mean, and calls at the end of a function become tail calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.nodes import Node, Slot

_OPERANDS = frozenset({"string", "number", "value", "wildcard", "descendant", "variable", "regex"})


class Shaper:
    """Shapes one tree. It numbers the parents that it meets."""

    def __init__(self) -> None:
        self._parents = 0

    def shape_whole(self, tree: Node) -> Node:
        """The whole expression. Raises JsonataError (S02xx)."""
        shaped = self.shape(tree)
        if shaped.kind == "parent" or shaped.seeking is not None:
            raise JsonataError("S0217", token=shaped.kind)
        return shaped

    def shape(self, node: Node) -> Node:
        """A node and all below it. Raises JsonataError (S02xx)."""
        if node.kind in _OPERANDS:
            return node
        shape = _BINARY.get(str(node.value), Shaper._operation) if node.kind == "binary" else _KINDS.get(node.kind)
        if shape is None:
            if node.kind == "end":
                raise JsonataError("S0207", token=node.value)
            raise JsonataError("S0206", token=node.value)
        shaped = shape(self, node)
        if node.keeps_array:
            shaped.keeps_array = True
        return shaped

    # Paths

    def _path(self, node: Node) -> Node:
        left = self.shape(node.left)
        path = left if left.kind == "path" else Node("path", steps=[left])
        if left.kind == "parent":
            path.seeking = [left.slot]
        rest = self.shape(node.right)
        if rest.kind == "path":
            path.steps.extend(rest.steps)
        else:
            if rest.predicates is not None:
                rest.stages, rest.predicates = rest.predicates, None
            path.steps.append(rest)
        for step in path.steps:
            if step.kind in ("number", "value"):
                raise JsonataError("S0213", value=step.value)
            if step.kind == "string":
                step.kind = "name"
        if any(step.keeps_array for step in path.steps):
            path.keeps_singleton = True
        for step in (path.steps[0], path.steps[-1]):
            if step.kind == "unary" and step.value == "[":
                step.constructs = True
        _resolve_parents(path)
        return path

    def _predicate(self, node: Node) -> Node:
        shaped = self.shape(node.left)
        in_path = shaped.kind == "path"
        step = shaped.steps[-1] if in_path else shaped
        if step.group is not None:
            raise JsonataError("S0209")
        predicate = self.shape(node.right)
        if predicate.seeking is not None:
            for slot in predicate.seeking:
                if slot.level == 1:
                    _seek(step, slot)
                else:
                    slot.level -= 1
            _push_parents(step, predicate)
        filters = (step.stages if in_path else step.predicates) or []
        filters.append(Node("filter", expression=predicate))
        if in_path:
            step.stages = filters
        else:
            step.predicates = filters
        return shaped

    def _group(self, node: Node) -> Node:
        shaped = self.shape(node.left)
        if shaped.group is not None:
            raise JsonataError("S0210")
        shaped.group = Node("group", pairs=[(self.shape(key), self.shape(value)) for key, value in node.pairs])
        return shaped

    def _order(self, node: Node) -> Node:
        shaped = self.shape(node.left)
        path = shaped if shaped.kind == "path" else Node("path", steps=[shaped])
        sort = Node("sort", terms=[])
        for term in node.terms:
            expression = self.shape(term.expression)
            _push_parents(sort, expression)
            sort.terms.append(Node("term", descending=term.descending, expression=expression))
        path.steps.append(sort)
        _resolve_parents(path)
        return path

    def _focus(self, node: Node) -> Node:
        shaped = self.shape(node.left)
        step = shaped.steps[-1] if shaped.kind == "path" else shaped
        if step.stages is not None or step.predicates is not None:
            raise JsonataError("S0215")
        if step.kind == "sort":
            raise JsonataError("S0216")
        step.keeps_array = step.keeps_array or node.keeps_array
        step.focus = node.right.value
        step.is_tuple = True
        return shaped

    def _position(self, node: Node) -> Node:
        shaped = self.shape(node.left)
        if shaped.kind == "path":
            path, step = shaped, shaped.steps[-1]
        else:
            path, step = Node("path", steps=[shaped]), shaped
            if step.predicates is not None:
                step.stages, step.predicates = step.predicates, None
        if step.stages is None:
            step.index = node.right.value
        else:
            step.stages.append(Node("index", node.right.value))
        step.is_tuple = True
        return path

    # Operators

    def _bind(self, node: Node) -> Node:
        shaped = Node("bind", node.value, left=self.shape(node.left), right=self.shape(node.right))
        _push_parents(shaped, shaped.right)
        return shaped

    def _apply(self, node: Node) -> Node:
        shaped = Node("apply", node.value, left=self.shape(node.left), right=self.shape(node.right))
        shaped.keeps_array = shaped.left.keeps_array or shaped.right.keeps_array
        return shaped

    def _operation(self, node: Node) -> Node:
        shaped = Node("binary", node.value, left=self.shape(node.left), right=self.shape(node.right))
        _push_parents(shaped, shaped.left)
        _push_parents(shaped, shaped.right)
        return shaped

    # Other kinds

    def _unary(self, node: Node) -> Node:
        shaped = Node("unary", node.value)
        if node.value == "[":
            shaped.expressions = [self._part(shaped, item) for item in node.expressions]
        elif node.value == "{":
            shaped.pairs = [(self._part(shaped, key), self._part(shaped, value)) for key, value in node.pairs]
        else:
            shaped.expression = self.shape(node.expression)
            if shaped.expression.kind == "number":
                negated = shaped.expression
                negated.value = -negated.value
                return negated
            _push_parents(shaped, shaped.expression)
        return shaped

    def _call(self, node: Node) -> Node:
        shaped = Node(node.kind, node.value)
        shaped.arguments = [self._part(shaped, argument) for argument in node.arguments]
        shaped.procedure = self.shape(node.procedure)
        return shaped

    def _lambda(self, node: Node) -> Node:
        body = _tail_call(self.shape(node.body))
        return Node("lambda", arguments=node.arguments, signature=node.signature, body=body)

    def _condition(self, node: Node) -> Node:
        shaped = Node("condition")
        shaped.condition = self._part(shaped, node.condition)
        shaped.then = self._part(shaped, node.then)
        if node.otherwise is not None:
            shaped.otherwise = self._part(shaped, node.otherwise)
        return shaped

    def _transform(self, node: Node) -> Node:
        delete = None if node.delete is None else self.shape(node.delete)
        return Node("transform", pattern=self.shape(node.pattern), update=self.shape(node.update), delete=delete)

    def _block(self, node: Node) -> Node:
        shaped = Node("block")
        shaped.expressions = [self._part(shaped, part) for part in node.expressions]
        shaped.constructs = any(
            part.constructs or (part.kind == "path" and part.steps[0].constructs) for part in shaped.expressions
        )
        return shaped

    def _name(self, node: Node) -> Node:
        return Node("path", steps=[node], keeps_singleton=node.keeps_array)

    def _parent(self, node: Node) -> Node:
        shaped = Node("parent", node.value)
        shaped.slot = Slot(f"!{self._parents}", shaped)
        self._parents += 1
        return shaped

    def _operator(self, node: Node) -> Node:
        if node.value == "?":
            return node
        node.kind = "name"  # `and`, `or` and `in` are names where an operand is expected
        return self.shape(node)

    def _part(self, whole: Node, node: Node) -> Node:
        shaped = self.shape(node)
        _push_parents(whole, shaped)
        return shaped


# --- parents ------------------------------------------------------------------------------------------------


def _push_parents(whole: Node, part: Node) -> None:
    """What a part seeks, its whole seeks."""
    if part.seeking is None and part.kind != "parent":
        return
    slots = part.seeking if part.seeking is not None else []
    if part.kind == "parent":
        slots.append(part.slot)
    if whole.seeking is None:
        whole.seeking = slots
    else:
        whole.seeking.extend(slots)


def _resolve_parents(path: Node) -> None:
    """Find the steps of a path that its last step's parents mean; what is further up is left to the path's whole."""
    last = path.steps[-1]
    slots = last.seeking if last.seeking is not None else []
    if last.kind == "parent":
        slots.append(last.slot)
    for slot in list(slots):
        index = len(path.steps) - 2
        while slot.level > 0:
            if index < 0:
                path.seeking = [*(path.seeking or ()), slot]
                break
            step = path.steps[index]
            index -= 1
            while index >= 0 and step.focus and path.steps[index].focus:
                step = path.steps[index]
                index -= 1
            slot = _seek(step, slot)


def _seek(node: Node, slot: Slot) -> Slot:
    """Go one step up from `node` for `slot`; the step at level 0 is the parent."""
    if node.kind in ("name", "wildcard"):
        slot.level -= 1
        if slot.level == 0:
            if node.ancestor is not None:
                slot.owner.slot.label = node.ancestor.label
            node.ancestor = slot
            node.is_tuple = True
    elif node.kind == "parent":
        slot.level += 1
    elif node.kind == "block":
        if node.expressions:
            node.is_tuple = True
            slot = _seek(node.expressions[-1], slot)
    elif node.kind == "path":
        node.is_tuple = True
        index = len(node.steps) - 1
        slot = _seek(node.steps[index], slot)
        while slot.level > 0 and index > 0:
            index -= 1
            slot = _seek(node.steps[index], slot)
    else:
        raise JsonataError("S0217", token=node.kind)
    return slot


def _tail_call(node: Node) -> Node:
    """A call that gives a function's result is made after the function has ended."""
    if node.kind == "function" and not node.predicates:
        return Node("lambda", arguments=[], signature=None, body=node, is_thunk=True)
    if node.kind == "condition":
        node.then = _tail_call(node.then)
        if node.otherwise is not None:
            node.otherwise = _tail_call(node.otherwise)
    elif node.kind == "block" and node.expressions:
        node.expressions[-1] = _tail_call(node.expressions[-1])
    return node


_Shape = Callable[[Shaper, Node], Node]

_BINARY: Mapping[str, _Shape] = {
    ".": Shaper._path,
    "[": Shaper._predicate,
    "{": Shaper._group,
    "^": Shaper._order,
    ":=": Shaper._bind,
    "@": Shaper._focus,
    "#": Shaper._position,
    "~>": Shaper._apply,
}
_KINDS: Mapping[str, _Shape] = {
    "unary": Shaper._unary,
    "function": Shaper._call,
    "partial": Shaper._call,
    "lambda": Shaper._lambda,
    "condition": Shaper._condition,
    "transform": Shaper._transform,
    "block": Shaper._block,
    "name": Shaper._name,
    "parent": Shaper._parent,
    "operator": Shaper._operator,
}
