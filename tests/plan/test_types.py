"""The types of expressions, and the casts that the language does by itself."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan.scope import Scope
from penstock.plan.text import expression_text
from penstock.plan.typed import Typing, typed
from penstock.sql.parser import parse_expression


def expression(text: str) -> tuple[str, str]:
    """The typed form of an expression over a few columns, as text, and its type."""
    world = World()
    world.run("""CREATE STREAM S (I INT, L BIGINT, D DOUBLE, N DECIMAL(4, 2), M DECIMAL(6, 4), S STRING, B BOOLEAN, Y BYTES, T TIMESTAMP, DT DATE,
        TM TIME, A ARRAY<INT>, P MAP<STRING, INT>, R STRUCT<X INT>) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');""")
    from penstock.plan.scope import ScopeSource

    found = typed(parse_expression(text), Typing(Scope((ScopeSource("S", world.held["S"], ""),)), world))
    return expression_text(found), str(found.type)


@pytest.mark.parametrize(("text", "type_"), [
    ("1", "INTEGER"), ("2147483648", "BIGINT"), ("1.50", "DECIMAL(3, 2)"), ("0.05", "DECIMAL(2, 2)"), ("1E1", "DOUBLE"), ("'a'", "STRING"),
    ("I + I", "INTEGER"), ("I + L", "BIGINT"), ("L * D", "DOUBLE"), ("N + D", "DOUBLE"), ("S + S", "STRING"), ("S || 'x'", "STRING"),
    ("TRUE", "BOOLEAN"), ("Y + Y", "BYTES"),
    # DECIMAL: + - * keep every digit; an INTEGER is DECIMAL(10, 0), a BIGINT DECIMAL(19, 0)
    ("N + M", "DECIMAL(7, 4)"), ("N - N", "DECIMAL(5, 2)"), ("N * M", "DECIMAL(11, 6)"), ("N / M", "DECIMAL(15, 9)"), ("N % M", "DECIMAL(6, 4)"),
    ("N + I", "DECIMAL(13, 2)"), ("N + L", "DECIMAL(22, 2)"), ("M * M * M * M * M * M * M", "DECIMAL(38, 28)"),
    ("-N", "DECIMAL(4, 2)"), ("A[1]", "INTEGER"), ("P['x']", "INTEGER"), ("R->X", "INTEGER"),
    ("CASE WHEN B THEN I ELSE L END", "BIGINT"), ("CASE WHEN B THEN NULL ELSE 'x' END", "STRING"),
    ("CASE I WHEN 1 THEN 1 ELSE 2.5 END", "DECIMAL(11, 1)"),
    ("ARRAY[NULL, 10, '2e1', I, L]", "ARRAY<DECIMAL(19, 0)>"), ("ARRAY[I, D]", "ARRAY<DOUBLE>"), ("MAP('a':=I, S:=L)", "MAP<STRING, BIGINT>"),
    ("MAP(S:=B, 10:='no')", "MAP<STRING, BOOLEAN>"),
    ("STRUCT(x:=I, y:='s')", "STRUCT<`X` INTEGER, `Y` STRING>"),
    ("ARRAY[STRUCT(x:=I), STRUCT(y:=L)]", "ARRAY<STRUCT<`X` INTEGER, `Y` BIGINT>>"),
    ("CAST(S AS DECIMAL(10, 1))", "DECIMAL(10, 1)"), ("CAST(NULL AS MAP<STRING, INT>)", "MAP<STRING, INTEGER>"), ("NULL", "NULL"),
    ("TRANSFORM(A, x => x + L)", "ARRAY<BIGINT>"), ("REDUCE(A, 0, (s, x) => s + x)", "INTEGER"),
    ("FILTER(P, (k, v) => v > 1)", "MAP<STRING, INTEGER>"),
])
def test_types(text: str, type_: str) -> None:
    assert expression(text)[1] == type_


@pytest.mark.parametrize(("text", "means"), [
    ("I = L", "(CAST(I AS BIGINT) = L)"), ("D < 1.5", "(D < 1.5E0)"), ("N >= 1", "(CAST(N AS DECIMAL(12, 2)) >= 1.00)"),
    ("T > '2020-01-02'", "(T > TIMESTAMP '2020-01-02T00:00:00.000')"), ("DT = '2020-01-02'", "(DT = DATE '2020-01-02')"),
    ("TM BETWEEN '01:02' AND '03:04:05.678'", "(TM BETWEEN TIME '01:02:00.000' AND TIME '03:04:05.678')"),
    ("T = DT", "(T = CAST(DT AS TIMESTAMP))"), ("I NOT IN (1, '2')", "(NOT (I IN (1, 2)))"), ("I IN (1, L)", "(CAST(I AS BIGINT) IN (1, L))"),
    ("B IN ('tr', 'N')", "(B IN (true, false))"), ("S IN ('a', 1)", "(S IN ('a', '1'))"),
    ("A IN (ARRAY['1', NULL], A)", "(A IN (ARRAY[1, null], A))"),
    ("R IN (STRUCT(X := '7'))", "(R IN (STRUCT(X:=7)))"), ("S NOT LIKE '%x'", "(NOT (S LIKE '%x'))"), ("I IS NOT NULL", "(NOT (I IS NULL))"),
    ("A = ARRAY[L]", "(CAST(A AS ARRAY<BIGINT>) = ARRAY[L])"), ("I IS DISTINCT FROM NULL", "(I IS DISTINCT FROM null)"),
    # Beside ROWTIME a string is a time, in whole or in part
    ("ROWTIME > '2020-01-02T03:04:05.678+0100'", "(ROWTIME > 1577930645678)"), ("ROWTIME >= '2018'", "(ROWTIME >= 1514764800000)"),
    ("ROWTIME BETWEEN '2020-01-01' AND '2020-01-02T24'", "(ROWTIME BETWEEN 1577836800000 AND 1578009600000)"),
    ("GREATEST(DT, '2022-06-14')", "GREATEST(DT, DATE '2022-06-14')"),
])
def test_implicit_casts(text: str, means: str) -> None:
    assert expression(text)[0] == means


@pytest.mark.parametrize(("text", "message"), [
    ("I >= 'x'", "1:1: Cannot compare I (INTEGER) to 'x' (STRING) with GREATER_THAN_OR_EQUAL."),
    ("A < A", "1:1: Cannot compare A (ARRAY<INTEGER>) to A (ARRAY<INTEGER>) with LESS_THAN."),
    ("B < TRUE", "1:1: Cannot compare B (BOOLEAN) to true (BOOLEAN) with LESS_THAN."),
    ("NULL <> NULL", "1:1: Comparison with NULL not supported: NULL <> NULL. Use IS NULL or IS NOT NULL."),
    ("1 + NULL", "1:1: Error processing expression: (1 + null). Arithmetic on types INTEGER and null are not supported."),
    ("B + 1.5", "1:1: Error processing expression: (B + 1.5). Unsupported arithmetic types. BOOLEAN DECIMAL."),
    ("S + I", "1:1: Error processing expression: (S + I). Unsupported arithmetic types. STRING INTEGER. Cast both to STRING, or use CONCAT."),
    ("I IN (1, S)", "1:1: Invalid Predicate: operator does not exist: INTEGER = STRING (S)."),
    ("L IN (1, 'x')", '1:1: Invalid Predicate: invalid input syntax for type BIGINT: "x".'),
    ("B AND I", "1:7: AND takes a BOOLEAN, but I is INTEGER."),
    ("I LIKE 'x'", "1:1: Like condition must be between strings, but I is INTEGER."),
    ("CASE WHEN B THEN 1 ELSE S END", "1:1: Invalid Case expression. Type for all 'THEN' clauses should be the same"),
    ("CASE WHEN B THEN NULL END", "1:1: Invalid Case expression. All case branches have NULL type."),
    ("CAST(S AS MAP<STRING, INT>)", "1:1: Cast of STRING to MAP<STRING, INTEGER> is not supported."),
    ("ARRAY[]", "1:1: Array constructor cannot be empty."), ("MAP(NULL:=I)", "1:1: Cannot construct a map with all NULL keys."),
    ("T > 'x'", "1:1: 'x' is no TIMESTAMP. Write it like '2020-12-31T23:59:59.123'."),
    ("TRANSFORM(A, (x, y) => x)", "1:1: "), ("SUM(I)", "1:1: SELECT does not support aggregate functions: SUM is one."),
    ("S[1]", "1:1: S is STRING: only an ARRAY or a MAP has items."), ("A['x']", "1:1: An array's index is an INTEGER, but 'x' is STRING."),
])
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        expression(text)
    assert str(error.value).startswith(f"Line {message}")
