"""Trees of the language for hypothesis: every class of ast.py, as the parser could have made them."""

from __future__ import annotations

from decimal import Decimal as Number
from typing import Any

from hypothesis import strategies as st

from penstock.sql import ast, types
from penstock.sql.build_expressions import balanced
from penstock.sql.tokens import UNITS

WORDS = "A B ID ROWTIME VALUE KEY WINDOW LIMIT SELECT MAP ARRAY STRUCT IF EMIT 1X ü x`y".split()  # noqa: SIM905
NAMES = st.one_of(
    st.sampled_from(WORDS),
    st.text("ABab_09 `\"'-.$ü", min_size=1, max_size=6),
)
STRINGS = st.text("ab' -;`\"\n/*${}%_ü", max_size=8)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(lambda n: n if n else Number("0.000")),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda n: n if n else 0.0),
)
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS)
MS = st.one_of(st.integers(1, 10**13), st.sampled_from([1000, 60_000, 3_600_000, 86_400_000]))
MAYBE_MS = st.one_of(st.none(), st.integers(0, 10**13))


def _many(inner: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(inner, min_size=least, max_size=3).map(tuple)


def _types() -> st.SearchStrategy[types.SqlType]:
    decimals = st.integers(1, 38).flatmap(lambda p: st.builds(types.Decimal, st.just(p), st.integers(0, p)))
    # a column's definition cannot tell a type of these names from the word that may follow a type
    taken = {*types.PRIMITIVES, *types.ALIASES, "KEY", "PRIMARY", "HEADER", "HEADERS"}
    named = NAMES.filter(lambda n: n not in taken).map(types.Named)
    leaves: st.SearchStrategy[types.SqlType] = st.one_of(st.sampled_from(list(types.PRIMITIVES.values())), decimals, named)

    def wider(inner: st.SearchStrategy[types.SqlType]) -> st.SearchStrategy[types.SqlType]:
        fields = _many(st.builds(types.Field, NAMES, inner))
        return st.one_of(st.builds(types.Array, inner), st.builds(types.Map, inner, inner), st.builds(types.Struct, fields))

    return st.recursive(leaves, wider, max_leaves=5)


TYPES = _types()
COLUMN_REFS = st.builds(ast.ColumnRef, NAMES, st.one_of(st.none(), NAMES))


def _expressions() -> st.SearchStrategy[ast.Expression]:
    leaves: st.SearchStrategy[ast.Expression] = st.one_of(st.builds(ast.Literal, VALUES), COLUMN_REFS)

    def wider(inner: st.SearchStrategy[ast.Expression]) -> st.SearchStrategy[ast.Expression]:
        flags = st.booleans()
        lambdas = st.builds(ast.Lambda, st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple), inner)
        arguments = _many(st.one_of(inner, lambdas, st.just(ast.Star())))
        plain = st.sampled_from(["F", "COUNT", "REPLACE", "LEFT", "MAP", "X Y"])
        units = st.builds(ast.IntervalUnit, st.sampled_from(sorted(set(UNITS.values()))))
        whens = _many(st.builds(ast.When, inner, inner), 1)
        maybe = st.one_of(st.none(), inner)
        fields = _many(st.tuples(NAMES, inner))
        return st.one_of(
            st.builds(ast.Dereference, inner, NAMES),
            st.builds(ast.Subscript, inner, inner),
            st.builds(ast.Arithmetic, st.sampled_from(["+", "-", "*", "/", "%", "||"]), inner, inner),
            st.builds(ast.Negate, inner),
            st.builds(
                ast.Comparison, st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]), inner, inner
            ),
            st.builds(ast.Logical, st.sampled_from(["AND", "OR"]), inner, inner),
            st.builds(balanced, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=6).map(tuple), st.none()),
            st.builds(ast.Not, inner),
            st.builds(ast.Between, inner, inner, inner, flags),
            st.builds(ast.In, inner, _many(inner, 1), flags),
            st.builds(ast.Like, inner, inner, st.one_of(st.none(), st.sampled_from(["!", "'"])), flags),
            st.builds(ast.IsNull, inner, flags),
            st.builds(ast.Case, maybe, whens, maybe),
            st.builds(ast.Cast, inner, TYPES),
            st.builds(ast.FunctionCall, plain, arguments),
            st.builds(lambda unit, rest: ast.FunctionCall("DATEADD", (unit, *rest)), units, _many(inner)),
            st.builds(ast.ArrayConstructor, _many(inner)),
            st.builds(ast.MapConstructor, _many(st.tuples(inner, inner))),
            st.builds(ast.StructConstructor, fields),
        )

    return st.recursive(leaves, wider, max_leaves=8)


EXPRESSIONS = _expressions()
MAYBE = st.one_of(st.none(), EXPRESSIONS)
MAYBE_NAME = st.one_of(st.none(), NAMES)

SOURCES = st.builds(ast.Source, NAMES, MAYBE_NAME)
WITHINS = st.builds(ast.Within, MS, MS, MAYBE_MS)
RELATIONS: st.SearchStrategy[Any] = st.recursive(
    SOURCES,
    lambda inner: st.builds(
        ast.Join, st.sampled_from(["INNER", "LEFT", "RIGHT", "FULL"]), inner, SOURCES, EXPRESSIONS, st.one_of(st.none(), WITHINS)
    ),
    max_leaves=3,
)
WINDOWS = st.one_of(
    st.builds(ast.Window, st.sampled_from(["TUMBLING", "SESSION"]), MS, st.none(), MAYBE_MS, MAYBE_MS),
    st.tuples(MS, MS).flatmap(lambda two: st.builds(ast.Window, st.just("HOPPING"), st.just(max(two)), st.just(min(two)), MAYBE_MS, MAYBE_MS)),
)
ITEMS = st.one_of(
    st.builds(ast.SelectItem, EXPRESSIONS, MAYBE_NAME), st.builds(ast.SelectAll, MAYBE_NAME), st.builds(ast.SelectStructAll, EXPRESSIONS)
)
SELECTS = st.builds(
    ast.Select,
    _many(ITEMS, 1),
    RELATIONS,
    st.one_of(st.none(), WINDOWS),
    MAYBE,
    _many(EXPRESSIONS),
    _many(EXPRESSIONS),
    MAYBE,
    st.sampled_from([None, "CHANGES", "FINAL"]),
    st.one_of(st.none(), st.integers(0, 2**63 - 1)),
)

FLAGS = st.booleans()
KINDS = st.sampled_from(["STREAM", "TABLE"])
COLUMNS = st.one_of(
    st.builds(ast.ColumnDefinition, NAMES, TYPES, st.sampled_from([None, "KEY", "PRIMARY KEY", "HEADERS"])),
    st.builds(ast.ColumnDefinition, NAMES, TYPES, st.just("HEADER"), STRINGS),
)
OPTIONS = st.dictionaries(NAMES.map(str.upper), VALUES, max_size=3)
CONNECTOR_OPTIONS = st.dictionaries(STRINGS, VALUES, max_size=3)
QUERY_IDS = st.one_of(st.none(), NAMES)
COUNTS = st.one_of(st.none(), st.integers(1, 2**63 - 1))
SHOWN = ["PROPERTIES", "FUNCTIONS", "TYPES", "CONNECTORS", "SOURCE CONNECTORS", "SINK CONNECTORS", "CONNECTOR PLUGINS", "VARIABLES"]
SHOWN_EXTENDED = ["STREAMS", "TABLES", "TOPICS", "ALL TOPICS", "QUERIES"]

PLAIN_STATEMENTS: st.SearchStrategy[ast.Statement] = st.one_of(
    st.builds(ast.Query, SELECTS),
    st.builds(ast.CreateSource, KINDS, NAMES, _many(COLUMNS), OPTIONS, FLAGS, FLAGS, FLAGS),
    st.builds(ast.CreateAsSelect, KINDS, NAMES, OPTIONS, SELECTS, FLAGS, FLAGS),
    st.builds(ast.InsertInto, NAMES, OPTIONS, SELECTS),
    st.builds(ast.InsertValues, NAMES, st.just(()), _many(EXPRESSIONS, 1)),
    st.lists(st.tuples(NAMES, EXPRESSIONS), min_size=1, max_size=3).map(
        lambda pairs: ast.InsertValues("T", tuple(name for name, _ in pairs), tuple(value for _, value in pairs))
    ),
    st.builds(ast.DropSource, KINDS, NAMES, FLAGS, FLAGS),
    st.builds(ast.AlterSource, KINDS, NAMES, _many(COLUMNS, 1)),
    st.builds(ast.CreateType, NAMES, TYPES, FLAGS),
    st.builds(ast.DropType, NAMES, FLAGS),
    st.builds(ast.CreateConnector, st.sampled_from(["SOURCE", "SINK"]), NAMES, CONNECTOR_OPTIONS, FLAGS),
    st.builds(ast.DropConnector, NAMES, FLAGS),
    st.builds(ast.PauseConnector, NAMES),
    st.builds(ast.ResumeConnector, NAMES),
    st.builds(ast.Terminate, QUERY_IDS),
    st.builds(ast.Pause, QUERY_IDS),
    st.builds(ast.Resume, QUERY_IDS),
    st.builds(ast.SetProperty, STRINGS, STRINGS),
    st.builds(ast.UnsetProperty, STRINGS),
    st.builds(ast.AlterSystem, STRINGS, STRINGS),
    st.builds(ast.Define, NAMES, STRINGS),
    st.builds(ast.Undefine, NAMES),
    st.builds(ast.Show, st.sampled_from(SHOWN)),
    st.builds(ast.Show, st.sampled_from(SHOWN_EXTENDED), FLAGS),
    st.builds(ast.Describe, st.just("SOURCE"), NAMES, FLAGS),
    st.builds(ast.Describe, st.sampled_from(["STREAMS", "TABLES"]), st.none(), FLAGS),
    st.builds(ast.Describe, st.sampled_from(["FUNCTION", "CONNECTOR"]), NAMES),
    st.builds(ast.Print, STRINGS, FLAGS, COUNTS, COUNTS),
    st.builds(ast.RunScript, STRINGS),
    st.builds(ast.Spool, st.one_of(st.none(), STRINGS)),
    st.builds(ast.AssertSource, KINDS, NAMES, _many(COLUMNS), OPTIONS),
    st.builds(ast.AssertValues, NAMES, st.just(()), _many(EXPRESSIONS, 1), FLAGS),
    st.builds(ast.AssertTopic, STRINGS, OPTIONS, FLAGS, MAYBE_MS),
    st.builds(ast.AssertSchema, STRINGS, COUNTS, FLAGS, MAYBE_MS),
    st.builds(ast.AssertSchema, st.none(), st.integers(0, 2**31), FLAGS, MAYBE_MS),
)
STATEMENTS: st.SearchStrategy[ast.Statement] = st.one_of(
    PLAIN_STATEMENTS,
    st.builds(ast.Explain, NAMES, st.none(), FLAGS),
    st.builds(ast.Explain, st.none(), PLAIN_STATEMENTS, FLAGS),
)
