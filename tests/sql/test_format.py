"""What a tree is written as, and that it reads back as the same tree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from tests.sql import trees

from penstock.errors import SqlError
from penstock.sql import ast
from penstock.sql.format import format_column, format_expression, format_name, format_statement
from penstock.sql.parser import DEPTH_MAX, parse_expression, parse_one, parse_schema, parse_type
from penstock.sql.types import SqlType

# The strategies of a whole language are long when hypothesis writes them out.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
unhurried = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a+b*c", "A + B * C"),
        ("(a + b)*c", "(A + B) * C"),
        ("a-(b-c)", "A - (B - C)"),
        ("a - b - c", "A - B - C"),
        ("-(5)", "-(5)"),
        ("- -5", "- -5"),
        ("-(-a)", "- -A"),
        ("(5)[1]", "(5)[1]"),
        ("(a or b) and not (c or d)", "(A OR B) AND NOT (C OR D)"),
        ("a or b or c or d or e", "A OR B OR C OR D OR E"),
        ("a or (b or c)", "A OR (B OR C)"),
        ("(a = b) = c", "(A = B) = C"),
        ("(a is null) between b and c+1", "(A IS NULL) BETWEEN B AND C + 1"),
        ("a like 'x''%' escape '!'", "A LIKE 'x''%' ESCAPE '!'"),
        ("`key`->`VALUE`[1]", "`key`->VALUE[1]"),
        ("`select`.`SELECT`", "`select`.`SELECT`"),
        ("`ARRAY`[1]", "`ARRAY`[1]"),
        ("1. + 1.50 + 1e0 + 1e22", "1. + 1.50 + 1.0E0 + 1E+22"),
        ("cast(a as struct<x int, `y` decimal(4,2)>)", "CAST(A AS STRUCT<`X` INTEGER, `y` DECIMAL(4, 2)>)"),
        ("f(x=>x+1, (a,b)=>a, *)", "F(X => X + 1, (A, B) => A, *)"),
        ("case a when 1 then 'x' else null end", "CASE A WHEN 1 THEN 'x' ELSE NULL END"),
        ("dateadd(day, 5, d)", "DATEADD(DAYS, 5, D)"),
        ("struct(a := map('k' := array[1]))", "STRUCT(A := MAP('k' := ARRAY[1]))"),
        ("a || b not in (1, true)", "A || B NOT IN (1, TRUE)"),
    ],
)
def test_expressions(sql: str, expected: str) -> None:
    assert format_expression(parse_expression(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT *, S.*, A->*, F(A) AS B FROM S AS X "
        "LEFT JOIN T WITHIN (1 HOUR, 2 HOURS) GRACE PERIOD 0 SECONDS ON X.A = T.A WHERE A EMIT CHANGES LIMIT 3",
        "CREATE OR REPLACE TABLE IF NOT EXISTS T WITH (FORMAT = 'JSON') AS SELECT A, COUNT(*) FROM S "
        "WINDOW HOPPING (SIZE 1 DAY, ADVANCE BY 1500 MILLISECONDS, RETENTION 7 DAYS, GRACE PERIOD 90 SECONDS) "
        "GROUP BY A HAVING COUNT(*) > 1 EMIT FINAL",
        "CREATE SOURCE STREAM `s` (ID INTEGER KEY, H BYTES HEADER('x'), V ARRAY<STRING>) WITH (KAFKA_TOPIC = 't', PARTITIONS = 3, X = -1.5)",
        "CREATE SINK CONNECTOR `c` WITH ('connector.class' = 'x.Y', 'tasks.max' = 1)",
        "INSERT INTO T (A, `b`) VALUES (1, NULL)",
        "EXPLAIN ANALYZE CTAS_T_1",
        "DESCRIBE `STREAMS` EXTENDED",
        "TERMINATE `ALL`",
        "PRINT 'my-topic' FROM BEGINNING INTERVAL 2 LIMIT 5",
        "ASSERT NOT EXISTS SCHEMA SUBJECT 'x-value' ID 3 TIMEOUT 1 MINUTE",
        "SELECT * FROM T ORDER BY A -- in ordinary SQL, kept as it is",
    ],
)
def test_statements_written_so_stay_so(sql: str) -> None:
    assert format_statement(parse_one(sql)) == sql.split(" --")[0]


@given(trees.EXPRESSIONS)
@unhurried
def test_every_expression_reads_back(tree: ast.Expression) -> None:
    written = format_expression(tree)
    assert parse_expression(written) == tree, written


@given(trees.STATEMENTS)
@unhurried
def test_every_statement_reads_back(tree: ast.Statement) -> None:
    written = format_statement(tree)
    assert parse_one(written) == tree, written
    assert repr(parse_one(written)) == repr(tree)


@given(trees.TYPES)
@unhurried
def test_every_type_reads_back(type_: SqlType) -> None:
    assert parse_type(str(type_)) == type_


@given(trees.COLUMNS)
@unhurried
def test_every_column_reads_back(column: ast.ColumnDefinition) -> None:
    assert parse_schema(format_column(column)) == (column,)


@given(trees.NAMES)
@unhurried
def test_every_name_reads_back(name: str) -> None:
    assert parse_expression(format_name(name)) == ast.ColumnRef(name)


def test_an_expression_as_deep_as_allowed_can_be_written() -> None:
    deep = "f(" * (DEPTH_MAX - 1) + "a" + ")" * (DEPTH_MAX - 1)
    assert format_expression(parse_expression(deep)) == deep.upper()
    with pytest.raises(SqlError):
        parse_expression(f"f({deep})")
