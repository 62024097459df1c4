"""What the rules of grammar.lark for expressions, types and names become: one function a rule, of its place and its children."""

from __future__ import annotations

from decimal import Decimal as Number
from math import isinf
from typing import Literal as OneOf

from penstock.errors import Position, SqlError
from penstock.sql import ast
from penstock.sql.tokens import UNITS, Token
from penstock.sql.types import ALIASES, PRIMITIVES, Array, Decimal, Field, Map, Named, SqlType, Struct

DIGITS_MAX = 38
# The functions whose first argument is a unit, not a column of that name.
_UNIT_FIRST = frozenset({"DATEADD", "DATESUB", "TIMEADD", "TIMESUB", "TIMESTAMPADD", "TIMESTAMPSUB"})

# ---------------------------------------------------------------------------------------------- names and plain values


def _name(at: Position, word: Token) -> str:
    return word.text.upper()


def _quoted_name(at: Position, token: Token) -> str:
    if len(token.text) == 2:
        raise SqlError("A name cannot be empty.", position=at)
    return token.unquoted


def _raw_word(at: Position, word: Token) -> str:
    return word.text


def _string_value(at: Position, token: Token) -> str:
    return token.unquoted


def _yes(at: Position) -> bool:
    return True


def _no(at: Position) -> bool:
    return False


def _nothing(at: Position) -> None:
    return None


def _words(at: Position, *tokens: Token | None) -> str:
    return " ".join(token.text.upper() for token in tokens if token)


# ---------------------------------------------------------------------------------------------- literals


def _number(at: Position, token: Token) -> int | Number | float:
    if token.terminals[0] == "INTEGER_LITERAL":
        if len(token.text.lstrip("0")) > DIGITS_MAX:
            raise _too_big(at, token.text)
        return int(token.text)
    if token.terminals[0] == "DECIMAL_LITERAL":
        exact = Number(token.text)
        if max(len(exact.as_tuple().digits), -int(exact.as_tuple().exponent)) > DIGITS_MAX:
            raise SqlError(f"A DECIMAL has at most {DIGITS_MAX} digits.", mend="Write a DOUBLE, like 1.5E0, for more.", position=at)
        return exact
    approximate = float(token.text)
    if isinf(approximate):
        raise SqlError(f"{token.text} is more than a DOUBLE holds.", mend="The greatest is about 1.797E308.", position=at)
    return approximate


def _too_big(at: Position, written: str) -> SqlError:
    shown = written if len(written) <= 40 else written[:37] + "..."
    return SqlError(f"{shown} is more than a BIGINT holds.", mend="Write a DECIMAL with a point, or a string.", position=at)


def _number_literal(at: Position, value: int | Number | float) -> ast.Literal:
    if isinstance(value, int) and value >= 1 << 63:
        raise _too_big(at, str(value))
    return ast.Literal(value, position=at)


def _negative_literal(at: Position, value: int | Number | float) -> ast.Literal:
    if isinstance(value, int) and value > 1 << 63:
        raise _too_big(at, str(-value))
    # Zero of any kind has no sign; Decimal's own minus would round to the context's precision.
    return ast.Literal(value.copy_negate() if isinstance(value, Number) and value else -value if value else value, position=at)


def _null_literal(at: Position) -> ast.Literal:
    return ast.Literal(None, position=at)


def _true_literal(at: Position) -> ast.Literal:
    return ast.Literal(True, position=at)


def _false_literal(at: Position) -> ast.Literal:
    return ast.Literal(False, position=at)


def _string_literal(at: Position, token: Token) -> ast.Literal:
    return ast.Literal(token.unquoted, position=at)


# ---------------------------------------------------------------------------------------------- operators


def _disjunction(at: Position, *parts: ast.Expression) -> ast.Expression:
    return balanced("OR", parts, at)


def _conjunction(at: Position, *parts: ast.Expression) -> ast.Expression:
    return balanced("AND", parts, at)


def balanced(op: OneOf["AND", "OR"], parts: tuple[ast.Expression, ...], at: Position | None) -> ast.Expression:
    """A chain of one operator as a tree of the least depth, so that a thousand conditions do not nest a thousand deep."""
    if len(parts) == 1:
        return parts[0]
    half = (len(parts) + 1) // 2
    return ast.Logical(op, balanced(op, parts[:half], at), balanced(op, parts[half:], parts[half].position), position=at)


def _not_(at: Position, operand: ast.Expression) -> ast.Not:
    return ast.Not(operand, position=at)


def _equal(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison("=", left, right, position=at)


def _not_equal(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison("<>", left, right, position=at)


def _less(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison("<", left, right, position=at)


def _less_or_equal(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison("<=", left, right, position=at)


def _greater(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison(">", left, right, position=at)


def _greater_or_equal(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison(">=", left, right, position=at)


def _between(at: Position, operand: ast.Expression, negated: bool, low: ast.Expression, high: ast.Expression) -> ast.Between:
    return ast.Between(operand, low, high, negated, position=at)


def _in_(at: Position, operand: ast.Expression, negated: bool, *options: ast.Expression) -> ast.In:
    return ast.In(operand, options, negated, position=at)


def _like(at: Position, operand: ast.Expression, negated: bool, pattern: ast.Expression, escape: Token | None) -> ast.Like:
    character = escape.unquoted if escape else None
    if character is not None and len(character) != 1:
        raise SqlError(f"ESCAPE takes one character, but {_as_text(character)} has {len(character)}.", position=at)
    return ast.Like(operand, pattern, character, negated, position=at)


def _as_text(value: str) -> str:
    """A string as a literal of the language."""
    return "'" + value.replace("'", "''") + "'"


def _is_null(at: Position, operand: ast.Expression, negated: bool) -> ast.IsNull:
    return ast.IsNull(operand, negated, position=at)


def _is_distinct(at: Position, left: ast.Expression, negated: bool, right: ast.Expression) -> ast.Comparison:
    return ast.Comparison("IS NOT DISTINCT FROM" if negated else "IS DISTINCT FROM", left, right, position=at)


def _concatenate(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("||", left, right, position=at)


def _add(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("+", left, right, position=at)


def _subtract(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("-", left, right, position=at)


def _multiply(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("*", left, right, position=at)


def _divide(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("/", left, right, position=at)


def _modulo(at: Position, left: ast.Expression, right: ast.Expression) -> ast.Arithmetic:
    return ast.Arithmetic("%", left, right, position=at)


def _negate(at: Position, operand: ast.Expression) -> ast.Negate:
    return ast.Negate(operand, position=at)


def _plus(at: Position, operand: ast.Expression) -> ast.Expression:
    return operand


# ---------------------------------------------------------------------------------------------- columns, calls, constructors


def _subscript(at: Position, base: ast.Expression, index: ast.Expression) -> ast.Subscript:
    return ast.Subscript(base, index, position=at)


def _dereference(at: Position, base: ast.Expression, field_name: str) -> ast.Dereference:
    return ast.Dereference(base, field_name, position=at)


def _column_ref(at: Position, column: str) -> ast.ColumnRef:
    return ast.ColumnRef(column, position=at)


def _source_column_ref(at: Position, source: str, column: str) -> ast.ColumnRef:
    return ast.ColumnRef(column, source, position=at)


def _call(at: Position, function: str, *arguments: ast.Expression) -> ast.Expression:
    upper = function.upper()
    if upper in ("WINDOWSTART", "WINDOWEND") and not arguments:  # as KSQL wrote them before they became columns
        return ast.ColumnRef(upper, position=at)
    if upper in _UNIT_FIRST and arguments:
        first, *others = arguments
        if isinstance(first, ast.ColumnRef) and first.source is None and first.name in UNITS:
            arguments = (ast.IntervalUnit(UNITS[first.name], position=first.position), *others)
    return ast.FunctionCall(upper, arguments, position=at)


def _star(at: Position) -> ast.Star:
    return ast.Star(position=at)


def _lambda_(at: Position, parameters: tuple[str, ...], body: ast.Expression) -> ast.Lambda:
    if len(set(parameters)) < len(parameters):
        raise SqlError("Two parameters of a lambda have the same name.", mend="Give each its own.", position=at)
    return ast.Lambda(parameters, body, position=at)


def _lambda_names(at: Position, *names: str | Token) -> tuple[str, ...]:
    return tuple(each for each in names if isinstance(each, str))


def _cast(at: Position, operand: ast.Expression, type_: SqlType) -> ast.Cast:
    return ast.Cast(operand, type_, position=at)


def _when(at: Position, condition: ast.Expression, result: ast.Expression) -> ast.When:
    return ast.When(condition, result, position=at)


def _case(at: Position, *children: ast.When | ast.Expression | None) -> ast.Case:
    *whens, default = children
    return ast.Case(None, tuple(w for w in whens if isinstance(w, ast.When)), default if isinstance(default, ast.Expression) else None, position=at)


def _case_of(at: Position, operand: ast.Expression, *children: ast.When | ast.Expression | None) -> ast.Case:
    searched = _case(at, *children)
    return ast.Case(operand, searched.whens, searched.default, position=at)


def _array(at: Position, keyword: Token, *items: ast.Expression) -> ast.ArrayConstructor:
    return ast.ArrayConstructor(items, position=at)


def _pair(at: Position, left: ast.Expression | str, right: ast.Expression) -> tuple[ast.Expression | str, ast.Expression]:
    return left, right


def _map(at: Position, keyword: Token, *entries: tuple[ast.Expression, ast.Expression]) -> ast.MapConstructor:
    return ast.MapConstructor(entries, position=at)


def _struct(at: Position, keyword: Token, *fields: tuple[str, ast.Expression]) -> ast.StructConstructor:
    return ast.StructConstructor(fields, position=at)


# ---------------------------------------------------------------------------------------------- types


def _array_type(at: Position, keyword: Token, item: SqlType) -> Array:
    return Array(item)


def _map_type(at: Position, keyword: Token, key: SqlType, value: SqlType) -> Map:
    return Map(key, value)


def _struct_type(at: Position, keyword: Token, *fields: Field) -> Struct:
    return Struct(fields)


def _field(at: Position, field_name: str, type_: SqlType) -> Field:
    return Field(field_name, type_)


def _named_type(at: Position, type_name: str) -> SqlType:
    if type_name in ("DECIMAL", "NUMERIC"):
        raise SqlError("DECIMAL needs a precision and a scale.", mend="Write DECIMAL(10, 2), for instance.", position=at)
    return PRIMITIVES.get(type_name) or ALIASES.get(type_name) or Named(type_name)


def _sized_type(at: Position, type_name: str, *parameters: int | None) -> SqlType:
    """DECIMAL(p, s); and VARCHAR(255) or VARCHAR(STRING), which say nothing more than VARCHAR."""
    if type_name in ("DECIMAL", "NUMERIC"):
        if len(parameters) != 2 or None in parameters:
            raise SqlError("DECIMAL takes a precision and a scale.", mend="Write DECIMAL(10, 2), for instance.", position=at)
        precision, scale = (int(each or 0) for each in parameters)
        if not 1 <= precision <= DIGITS_MAX:
            raise SqlError(f"The precision of a DECIMAL is 1 to {DIGITS_MAX}, not {precision}.", position=at)
        if scale > precision:
            raise SqlError(f"The scale of a DECIMAL is at most its precision, but {scale} is more than {precision}.", position=at)
        return Decimal(precision, scale)
    if type_name in ("VARCHAR", "STRING") and len(parameters) == 1:
        return PRIMITIVES["STRING"]
    raise SqlError(f"{type_name} takes no size.", mend=f"Write {type_name} alone.", position=at)
