"""What the rules of grammar.lark for queries become: one function a rule, of its place and its children."""

from __future__ import annotations

from typing import Any, cast

from penstock.errors import Position, SqlError
from penstock.sql import ast
from penstock.sql.tokens import UNITS, Token

_UNIT_MS = {
    "MILLISECONDS": 1, "SECONDS": 1_000, "MINUTES": 60_000, "HOURS": 3_600_000, "DAYS": 86_400_000, "WEEKS": 604_800_000,
    "MONTHS": 30 * 86_400_000, "YEARS": 365 * 86_400_000,
}  # fmt: skip
_DURATION_MS_MAX = (1 << 63) - 1

# What stands before JOIN in other SQL; as an alias without AS it would be a slip.
_OTHER_JOINS = frozenset({"SEMI", "ANTI", "ASOF", "POSITIONAL"})

Options = tuple[int | None, int | None]


def _query(at: Position, *children: Any) -> ast.Select:
    *items, relation, window, where, group_by, partition_by, having, emit, limit = children
    return ast.Select(tuple(items), relation, window, where, group_by, partition_by, having, emit and emit.removeprefix("EMIT "), limit, position=at)


def _select_all(at: Position) -> ast.SelectAll:
    return ast.SelectAll(position=at)


def _select_source_all(at: Position, source_name: str) -> ast.SelectAll:
    return ast.SelectAll(source_name, position=at)


def _select_struct_all(at: Position, base: ast.Expression) -> ast.SelectStructAll:
    return ast.SelectStructAll(base, position=at)


def _select_expression(at: Position, expression: ast.Expression, alias: str | None) -> ast.SelectItem:
    return ast.SelectItem(expression, alias, position=at)


def _bare_alias(at: Position, alias: str) -> str:
    if alias in _OTHER_JOINS:
        raise SqlError(f"{alias} is not expected here.", mend=f"As a name it needs AS: AS {alias}.", position=at)
    return alias


def _source(at: Position, source_name: str, alias: str | None) -> ast.Source:
    return ast.Source(source_name, alias, position=at)


def _inner(at: Position) -> str:
    return "INNER"


def _outer(at: Position, *keyword: Token) -> None:
    return None


def _join(at: Position, left: ast.Relation, kind: str, right: ast.Source, within: ast.Within | None, condition: ast.Expression) -> ast.Join:
    return ast.Join(cast(Any, kind), left, right, condition, within, position=at)


def _within_same(at: Position, either_ms: int, grace_ms: int | None) -> ast.Within:
    return ast.Within(either_ms, either_ms, grace_ms, position=at)


def _within_two(at: Position, before_ms: int, after_ms: int, grace_ms: int | None) -> ast.Within:
    return ast.Within(before_ms, after_ms, grace_ms, position=at)


def _ignored_name(at: Position, name: str) -> None:
    return None


def _tumbling(at: Position, _: None, size_ms: int, options: Options) -> ast.Window:
    return _window(at, ast.Window("TUMBLING", size_ms, None, *options, position=at))


def _hopping(at: Position, _: None, size_ms: int, advance_ms: int, options: Options) -> ast.Window:
    return _window(at, ast.Window("HOPPING", size_ms, advance_ms, *options, position=at))


def _session(at: Position, _: None, gap_ms: int, options: Options) -> ast.Window:
    return _window(at, ast.Window("SESSION", gap_ms, None, *options, position=at))


def _window(at: Position, window: ast.Window) -> ast.Window:
    if window.size_ms == 0:
        what = "gap of a session" if window.kind == "SESSION" else "size of a window"
        raise SqlError(f"The {what} is more than zero.", position=at)
    if window.advance_ms is not None and not 0 < window.advance_ms <= window.size_ms:
        raise SqlError("A window advances by more than zero and by no more than its size.", position=at)
    return window


def _retention(at: Position, retention_ms: int) -> Options:
    return retention_ms, None


def _grace(at: Position, grace_ms: int) -> Options:
    return None, grace_ms


def _retention_and_grace(at: Position, retention_ms: int, grace_ms: int) -> Options:
    return retention_ms, grace_ms


def _no_options(at: Position) -> Options:
    return None, None


def _duration(at: Position, count: Token, unit: Token) -> int:
    """In ms; a month counts as 30 days, a year as 365."""
    if len(count.text) < 20 and (ms := int(count.text) * _UNIT_MS[UNITS[unit.text.upper()]]) <= _DURATION_MS_MAX:
        return ms
    raise SqlError(f"{count.text[:40]} {unit.text.upper()} is longer than time can be counted in milliseconds.", position=at)


def _many(at: Position, *children: ast.Expression | Token) -> tuple[ast.Expression, ...]:
    return tuple(each for each in children if isinstance(each, ast.Expression))


def _count(at: Position, token: Token) -> int:
    if len(token.text) < 20 and (value := int(token.text)) < 1 << 63:
        return value
    raise SqlError(f"{token.text[:40]} is more than a count can be.", position=at)
