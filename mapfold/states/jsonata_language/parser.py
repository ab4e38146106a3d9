"""From tokens to a tree, by the binding powers of operators; `shaping.py` then makes it the tree that is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mapfold.states.jsonata_language.errors import JsonataError
from mapfold.states.jsonata_language.nodes import Node
from mapfold.states.jsonata_language.shaping import Shaper
from mapfold.states.jsonata_language.signatures import parse_signature
from mapfold.states.jsonata_language.tokens import BINDING, Token, Tokenizer

END = "(end)"


def parse(text: str) -> Node:
    """The tree of an expression, ready to be compiled. Raises JsonataError (Sxxxx), or RecursionError."""
    return Shaper().shape_whole(_Parser(text).parse())


class _Parser:
    """`id` is what the current token is to the grammar: an operator, `(name)`, `(literal)`, `(regex)` or `(end)`."""

    def __init__(self, text: str) -> None:
        self._tokens = Tokenizer(text)
        self.token = Token("end", END)
        self.id = END
        self.advance()

    def parse(self) -> Node:
        tree = self.expression(0)
        if self.id != END:
            raise JsonataError("S0201", token=self.token.value)
        return tree

    def advance(self, expected: str | None = None, *, after_operand: bool = False) -> None:
        """Go to the next token; the current one has to be `expected`, if that is given."""
        if expected is not None and self.id != expected:
            raise JsonataError("S0203" if self.id == END else "S0202", token=self.token.value, value=expected)
        token = self._tokens.next(after_operand=after_operand)
        if token is None:
            self.token, self.id = Token("end", END), END
            return
        self.token = token
        self.id = str(token.value) if token.kind == "operator" else _IDS[token.kind]
        if token.kind == "operator" and self.id in ("!", "~"):
            raise JsonataError("S0204", token=token.value)

    def expression(self, power: int) -> Node:
        """An expression of operators that bind more strongly than `power`."""
        token, id_ = self.token, self.id
        self.advance(after_operand=True)
        opening = _OPENINGS.get(id_)
        if opening is None:
            raise JsonataError("S0211", token=token.value)
        left = opening(self, token)
        while power < (_POWERS.get(self.id, 0)):
            token, id_ = self.token, self.id
            self.advance()
            left = _FOLLOWINGS[id_](self, token, left)
        return left


# --- what may open an expression ----------------------------------------------------------------------------


def _open_terminal(parser: _Parser, token: Token) -> Node:
    return Node(token.kind, token.value)


def _open_block(parser: _Parser, token: Token) -> Node:
    expressions = []
    while parser.id != ")":
        expressions.append(parser.expression(0))
        if parser.id != ";":
            break
        parser.advance(";")
    parser.advance(")", after_operand=True)
    return Node("block", token.value, expressions=expressions)


def _open_array(parser: _Parser, token: Token) -> Node:
    items = []
    if parser.id != "]":
        while True:
            item = parser.expression(0)
            if parser.id == "..":
                parser.advance("..")
                item = Node("binary", "..", left=item, right=parser.expression(0))
            items.append(item)
            if parser.id != ",":
                break
            parser.advance(",")
    parser.advance("]", after_operand=True)
    return Node("unary", "[", expressions=items)


def _open_object(parser: _Parser, token: Token) -> Node:
    return Node("unary", "{", pairs=_pairs(parser))


def _pairs(parser: _Parser) -> list[tuple[Node, Node]]:
    pairs = []
    if parser.id != "}":
        while True:
            key = parser.expression(0)
            parser.advance(":")
            pairs.append((key, parser.expression(0)))
            if parser.id != ",":
                break
            parser.advance(",")
    parser.advance("}", after_operand=True)
    return pairs


def _open_negation(parser: _Parser, token: Token) -> Node:
    return Node("unary", "-", expression=parser.expression(70))


def _open_transform(parser: _Parser, token: Token) -> Node:
    pattern = parser.expression(0)
    parser.advance("|")
    update = parser.expression(0)
    delete = None
    if parser.id == ",":
        parser.advance(",")
        delete = parser.expression(0)
    parser.advance("|")
    return Node("transform", token.value, pattern=pattern, update=update, delete=delete)


def _open_kind(kind: str) -> Callable[[_Parser, Token], Node]:
    return lambda parser, token: Node(kind, token.value)


# --- what may follow an operand -----------------------------------------------------------------------------


def _follow_binary(parser: _Parser, token: Token, left: Node) -> Node:
    return Node("binary", token.value, left=left, right=parser.expression(BINDING[str(token.value)]))


def _follow_call(parser: _Parser, token: Token, left: Node) -> Node:
    node = Node("function", "(", procedure=left, arguments=[])
    if parser.id != ")":
        while True:
            if parser.id == "?":
                node.kind = "partial"
                node.arguments.append(Node("operator", "?"))
                parser.advance("?")
            else:
                node.arguments.append(parser.expression(0))
            if parser.id != ",":
                break
            parser.advance(",")
    parser.advance(")", after_operand=True)
    if left.kind == "name" and left.value in ("function", "\u03bb"):
        return _define_function(parser, node)
    return node


def _define_function(parser: _Parser, node: Node) -> Node:
    for number, argument in enumerate(node.arguments, start=1):
        if argument.kind != "variable":
            raise JsonataError("S0208", token=argument.value, value=number)
    node.kind, node.signature = "lambda", None
    if parser.id == "<":
        node.signature = parse_signature(_signature_text(parser))
    parser.advance("{")
    node.body = parser.expression(0)
    parser.advance("}")
    return node


def _signature_text(parser: _Parser) -> str:
    text, depth = "<", 1
    while depth > 0 and parser.id not in ("{", END):
        parser.advance()
        depth += (parser.id == "<") - (parser.id == ">")
        text += str(parser.token.value)
    parser.advance(">")
    return text


def _follow_predicate(parser: _Parser, token: Token, left: Node) -> Node:
    if parser.id != "]":
        node = Node("binary", "[", left=left, right=parser.expression(0))
        parser.advance("]", after_operand=True)
        return node
    step = left
    while step.kind == "binary" and step.value == "[":
        step = step.left
    step.keeps_array = True
    parser.advance("]")
    return left


def _follow_order(parser: _Parser, token: Token, left: Node) -> Node:
    parser.advance("(")
    terms = []
    while True:
        descending = parser.id == ">"
        if parser.id in ("<", ">"):
            parser.advance()
        terms.append(Node("term", descending=descending, expression=parser.expression(0)))
        if parser.id != ",":
            break
        parser.advance(",")
    parser.advance(")")
    return Node("binary", "^", left=left, terms=terms)


def _follow_group(parser: _Parser, token: Token, left: Node) -> Node:
    return Node("binary", "{", left=left, pairs=_pairs(parser))


def _follow_bind(parser: _Parser, token: Token, left: Node) -> Node:
    if left.kind != "variable":
        raise JsonataError("S0212", token=left.value)
    return Node("binary", ":=", left=left, right=parser.expression(BINDING[":="] - 1))


def _follow_step_binding(parser: _Parser, token: Token, left: Node) -> Node:
    """`@$v` and `#$i`: a name for the step's value or position."""
    right = parser.expression(BINDING["@"])
    if right.kind != "variable":
        raise JsonataError("S0214", token=token.value)
    return Node("binary", token.value, left=left, right=right)


def _follow_condition(parser: _Parser, token: Token, left: Node) -> Node:
    node = Node("condition", token.value, condition=left, then=parser.expression(0))
    if parser.id == ":":
        parser.advance(":")
        node.otherwise = parser.expression(0)
    return node


_IDS: Mapping[str, str] = {
    "name": "(name)",
    "variable": "(name)",
    "string": "(literal)",
    "number": "(literal)",
    "value": "(literal)",
    "regex": "(regex)",
}
_OPENINGS: Mapping[str, Callable[[_Parser, Token], Node]] = {
    END: _open_terminal,
    "(name)": _open_terminal,
    "(literal)": _open_terminal,
    "(regex)": _open_terminal,
    "and": _open_terminal,
    "or": _open_terminal,
    "in": _open_terminal,
    "-": _open_negation,
    "*": _open_kind("wildcard"),
    "**": _open_kind("descendant"),
    "%": _open_kind("parent"),
    "(": _open_block,
    "[": _open_array,
    "{": _open_object,
    "|": _open_transform,
}
_FOLLOWINGS: Mapping[str, Callable[[_Parser, Token, Node], Node]] = {
    **dict.fromkeys(
        (".", "+", "-", "*", "/", "%", "=", "<", ">", "!=", "<=", ">=", "&", "and", "or", "in", "~>"), _follow_binary
    ),
    "(": _follow_call,
    "[": _follow_predicate,
    "^": _follow_order,
    "{": _follow_group,
    ":=": _follow_bind,
    "@": _follow_step_binding,
    "#": _follow_step_binding,
    "?": _follow_condition,
}
_POWERS: Mapping[str, int] = {operator: BINDING[operator] for operator in _FOLLOWINGS}
