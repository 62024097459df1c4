"""SQL text -> AST.

The tables of grammar.json are walked by one loop without recursion, so time is linear in the text and depth costs no stack;
trees deeper than `DEPTH_MAX` are refused, since what reads them does recurse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from penstock.errors import Position, SqlError
from penstock.sql import ast, build_expressions, build_queries, build_statements, mistakes, ordinary, tables
from penstock.sql.parameters import bind
from penstock.sql.tokens import Lines, Token, split_statements, statements, tokenize
from penstock.sql.types import SqlType
from penstock.sql.variables import substitute

DEPTH_MAX = 100
# Keeps the answer to any one statement, slips included, under a second; 25,000 values in a list.
TOKENS_MAX = 50_000
# A tree cannot be deeper than its tokens are many.
_TOKENS_SHALLOW = 90  # the statement around an expression takes a few levels too


def parse(
    text: str, variables: MutableMapping[str, str] | None = None, parameters: Mapping[str, Any] | None = None
) -> list[ast.Statement]:
    """All statements of a text; the last semicolon may be missing.

    With `variables` (by lower-case name) each `${name}` is replaced before its statement is parsed, and DEFINE and UNDEFINE
    take effect on `variables` for the statements after them. With `parameters` each `:name` stands for a value.
    Raises SqlError at the first mistake.
    """
    if variables is None and parameters is None:
        lines = Lines(text)
        return [_statement(text, tokens, lines) for tokens, _ in statements(tokenize(text))]
    parsed = []
    variables = {} if variables is None else variables
    for piece in split_statements(text):
        body = substitute(piece.text, variables)
        if parameters is not None:
            body = bind(body, parameters, piece.position)
        lines = Lines(body, piece.position)
        for tokens, _ in statements(tokenize(body)):
            statement = _statement(body, tokens, lines)
            if isinstance(statement, ast.Define):
                variables[statement.name.lower()] = statement.value
            elif isinstance(statement, ast.Undefine):
                variables.pop(statement.name.lower(), None)
            parsed.append(statement)
    return parsed


def parse_one(text: str) -> ast.Statement:
    """The one statement of a text. Raises SqlError if there is none, more than one, or a mistake in it."""
    lines = Lines(text)
    parts = statements(tokenize(text))
    if not parts:
        raise SqlError("There is no statement here.", mend="Write one, like SHOW STREAMS;", position=lines.position(0))
    statement = _statement(text, parts[0][0], lines)
    if len(parts) > 1:
        raise SqlError("One statement is expected, but a second one follows.", mend="Send them one by one.",
                       position=lines.position(parts[1][0][0].start))  # fmt: skip
    return statement


def parse_expression(text: str) -> ast.Expression:
    """An expression, as it stands in a SELECT. Raises SqlError."""
    expression: ast.Expression = _whole(text, "expression")
    return expression


def parse_type(text: str) -> SqlType:
    """A type, like `ARRAY<STRUCT<A INT>>`; a name that is no type of the language becomes `Named`. Raises SqlError."""
    type_: SqlType = _whole(text, "type")
    return type_


def parse_schema(text: str) -> tuple[ast.ColumnDefinition, ...]:
    """Column definitions with commas between them, like ``ID BIGINT KEY, `name` STRING``. Raises SqlError."""
    columns: tuple[ast.ColumnDefinition, ...] = _whole(text, "column_list")
    return columns


def _whole(text: str, start: str) -> Any:
    tokens, lines = tokenize(text), Lines(text)
    value = _parse(text, tokens, lines, start)
    _refuse_depth(value, tokens, lines)
    return value


def _statement(text: str, tokens: list[Token], lines: Lines) -> ast.Statement:
    try:
        statement: ast.Statement = _parse(text, tokens, lines, "statement")
    except SqlError as error:
        explained = tokens[0].text.upper() == "EXPLAIN"
        analyze = explained and len(tokens) > 1 and tokens[1].text.upper() == "ANALYZE"
        asked = tokens[explained + analyze :]
        if not asked or not ordinary.is_ordinary(asked, error.position, lines):
            raise
        raw = ast.RawQuery(position=lines.position(asked[0].start), text=text[asked[0].start : asked[-1].end])
        whole = text[tokens[0].start : tokens[-1].end]
        return ast.Explain(None, raw, analyze, position=lines.position(tokens[0].start), text=whole) if explained else raw
    _refuse_depth(statement, tokens, lines)
    return statement


@cache
def _actions() -> list[tuple[str, int, Callable[..., Any] | None, tuple[tuple[int, bool], ...], bool]]:
    """The rules of the tables, each with the function that builds its node."""
    found = {name: function for module in (build_expressions, build_queries, build_statements) for name, function in vars(module).items()}
    return [(r.origin, r.length, found["_" + r.action] if r.action else None, r.kept, r.is_list) for r in tables.load().rules]


def _parse(text: str, tokens: list[Token], lines: Lines, start: str) -> Any:
    """Walk the tables over the tokens. Raises SqlError at the first token that cannot stand where it stands."""
    if len(tokens) > TOKENS_MAX:
        raise SqlError(
            f"This statement has {len(tokens):,} words and signs, and {TOKENS_MAX:,} are the most.",
            mend="Put long lists of values into a table, and join it.",
            position=lines.position(tokens[TOKENS_MAX].start),
        )
    table = tables.load()
    states, rules, end_state = table.states, _actions(), table.end[start]
    finish = Token((tables.END,), "", tokens[-1].end if tokens else 0, tokens[-1].end if tokens else 0)
    path = [table.start[start]]
    values: list[Any] = []
    starts: list[int] = []
    consumed = 0
    for token in [*tokens, finish]:
        while True:
            row = states[path[-1]]
            for terminal in token.terminals:
                action = row.get(terminal)
                if action is not None:
                    break
            else:
                if token is finish and path[-1] == end_state:
                    return values[-1]
                raise mistakes.explain(table, start, tokens, token, lines)
            if action >= 0:
                path.append(action)
                values.append(token)
                starts.append(token.start)
                consumed = token.end
                break
            origin, length, build, kept, is_list = rules[-1 - action]
            if length == 1 and build is None and not is_list:  # one thing by another name: most steps are of this kind
                path[-1] = states[path[-2]][origin]
                continue
            if length:
                children = values[-length:]
                at = starts[-length]
                del path[-length:], values[-length:], starts[-length:]
            else:
                children, at = [], token.start
            values.append(_reduced(children, kept, build, is_list, lines, at))
            if isinstance(values[-1], ast.Statement):
                values[-1] = replace(values[-1], text=text[at:consumed])
            path.append(states[path[-1]][origin])
            starts.append(at)
    raise AssertionError("the end of the text either ends the parse or is a mistake")


def _reduced(children: list[Any], kept: tuple[tuple[int, bool], ...], build: Callable[..., Any] | None, is_list: bool, lines: Lines, at: int) -> Any:
    if is_list and kept[0][1]:  # a list and one more: in place, so that long lists stay linear
        grown: list[Any] = children[kept[0][0]]
        for index, spliced in kept[1:]:
            if spliced:
                grown.extend(children[index])
            else:
                grown.append(children[index])
        return grown
    arguments = []
    for index, spliced in kept:
        if spliced:
            arguments += children[index]
        else:
            arguments.append(children[index])
    if build is not None:
        return build(lines.position(at), *arguments)
    return arguments if is_list else arguments[0]


def _refuse_depth(tree: Any, tokens: list[Token], lines: Lines) -> None:
    if len(tokens) <= _TOKENS_SHALLOW:
        return
    waiting: list[tuple[Any, int, Position | None]] = [(tree, 1, lines.position(tokens[0].start))]
    while waiting:
        node, depth, position = waiting.pop()
        if isinstance(node, tuple):
            waiting += [(child, depth, position) for child in node]
        elif is_dataclass(node) and not isinstance(node, Position):
            position = getattr(node, "position", None) or position
            if depth > DEPTH_MAX:
                raise SqlError(
                    f"This is nested more than {DEPTH_MAX} levels deep.",
                    mend="Split it into several statements, or write long chains as a function of many arguments, like CONCAT.",
                    position=position,
                )
            waiting += [(getattr(node, each.name), depth + 1, position) for each in fields(node)]
