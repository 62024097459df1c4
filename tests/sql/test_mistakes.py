"""What a slip is told as: the text of the error for each."""

from __future__ import annotations

import pytest

from penstock.errors import SqlError
from penstock.sql.parser import parse, parse_expression, parse_one, parse_schema, parse_type

SLIPS = [
    # words
    ("SELECT * FORM t", "Line 1:10: FORM is not expected here. Did you mean FROM?"),
    ("SELECT a FORM t", "Line 1:10: FORM is not expected here. Did you mean FROM?"),
    ("SELCT a FROM t", "Line 1:1: SELCT is not expected here. Did you mean SELECT?"),
    ("SELECT a FROM t\nWEHRE a = 1", "Line 2:1: WEHRE is not expected here. Did you mean WHERE?"),
    ("SELECT a FROM t GRUOP BY a", "Line 1:17: GRUOP is not expected here. Did you mean GROUP?"),
    ("CREATE STREM s (a INT)", "Line 1:8: STREM is not expected here. Did you mean STREAM?"),
    ("SHOW STREEMS", "Line 1:6: STREEMS is not expected here. Did you mean STREAMS?"),
    ("SELECT a FROM t JOIN u WITHIN 5 MINUTS ON a = b", "Line 1:33: MINUTS is not expected here. Did you mean MINUTES?"),
    ("SELECT a FROM t EMIT CHANGE", "Line 1:22: CHANGE is not expected here. Did you mean CHANGES?"),
    ("HELLO", "Line 1:1: HELLO does not start a statement. Statements start with words like SELECT, CREATE, INSERT, SHOW or DROP."),
    ("UPDATE t SET a = 1", "Line 1:1: There is no UPDATE over streams of events. "
     "INSERT a row with the same key: in a table it takes the place of the older one."),
    ("CREATE STREAM s (a ARAY<INT>)", "Line 1:20: ARAY takes no < > behind it. Did you mean ARRAY?"),
    ("SELECT end FROM t", "Line 1:8: end is a reserved word. To use it as a name, put it in backticks: `end`"),
    ("CREATE STREAM select (a INT)", "Line 1:15: select is a reserved word. To use it as a name, put it in backticks: `select`"),
    # something is missing
    ("SELECT a, FROM t", "Line 1:9: Nothing stands between this comma and FROM. Leave the comma out, or add what is missing."),
    ("CREATE STREAM s (a INT,)", "Line 1:23: Nothing stands between this comma and ). Leave the comma out, or add what is missing."),
    ("SELECT FROM t", "Line 1:8: A column or an expression is missing before FROM. SELECT needs one."),
    ("SELECT a FROM t WHERE", "Line 1:22: A column or an expression is missing at the end. WHERE needs one."),
    ("SELECT a FROM", "Line 1:14: A name is missing at the end. FROM needs one."),
    ("SELECT a", "Line 1:9: The SELECT has no FROM. Add FROM and the name of a stream or table."),
    ("SELECT a FROM t EMIT", "Line 1:21: The statement ends too soon. Expected CHANGES or FINAL."),
    ("SELECT a b c FROM t", "Line 1:12: c is not expected here. Is a comma missing before it?"),
    ("CREATE STREAM s (a INT b INT)", "Line 1:24: b is not expected here. Is a comma missing before it?"),
    ("SELECT a FROM t JOIN u", "Line 1:23: The statement ends too soon. Expected a name, AS, ON or WITHIN."),
    ("SELECT CASE WHEN a THEN b FROM t", "Line 1:27: FROM is not expected here. Expected AND, BETWEEN, ELSE, END, IN, IS, LIKE or NOT."),
    ("SELECT a FROM t JOIN u WHERE b", "Line 1:24: WHERE is not expected here. Expected a name, AS, ON or WITHIN."),
    ("SELECT a FROM t WHERE a = 1 b = 2", "Line 1:29: b is not expected here. Is AND or OR missing before it?"),
    ("SELECT a,, b FROM t", "Line 1:10: Nothing stands between two commas. Leave one of them out, or add what is missing."),
    ("CREATE TABLE t (id PRIMARY KEY)", "Line 1:17: The column ID has no type. Write its type before PRIMARY."),
    ("CREATE STREAM s (id KEY)", "Line 1:18: The column ID has no type. Write its type before KEY."),
    # brackets and quotes
    ("SELECT a FROM t WHERE a = 'it's'", "Line 1:31: The string ends before s. A quote within a string is doubled: 'it''s'"),
    ("SELECT MAP('a' : 1) FROM t", "Line 1:16: : is not expected here. Write := between a key or a name and its value."),
    ("SELECT a FROM t WHERE (a = 1", "Line 1:23: This ( is never closed. Add the missing )"),
    ("SELECT f(a, FROM t", "Line 1:11: Nothing stands between this comma and FROM. Leave the comma out, or add what is missing."),
    ("SELECT (a + b FROM t", "Line 1:15: FROM is not expected here. Is a ) missing? The ( at 1:8 is still open."),
    ("SELECT a + b) FROM t", "Line 1:13: This ) closes nothing. Leave it out, or add what opens it."),
    ("SELECT 'a FROM t", "Line 1:8: The string that starts here is never closed. Add the closing '"),
    ("SELECT `a FROM t", "Line 1:8: The name that starts here is never closed. Add the closing `"),
    ("SELECT a /* FROM t", "Line 1:10: The comment that starts here is never closed. Add the closing */"),
    ("SELECT a FROM t WHERE a = ‘x’", "Line 1:27: ‘ is not a quote of SQL. Write ' instead."),
    ('CREATE STREAM s WITH (kafka_topic="x")', "Line 1:35: \"x\" is a quoted name, but a string is expected. Write it in single quotes: 'x'"),
    ("SELECT a FROM 'x'", "Line 1:15: 'x' is a string, but a name is expected. Write it without quotes, or in backticks: `x`"),
    ("SET auto.offset.reset = 'earliest'", "Line 1:5: auto is not expected here. A string in single quotes is."),
    ("PRINT data-mqtt", "Line 1:11: - is not expected here. A name with - in it stands in backticks."),
    ("SELECT ``.a FROM t", "Line 1:8: A name cannot be empty."),
    # other languages
    ("SELECT a FROM t WHERE a == 1", "Line 1:25: == is not expected here. Write = to compare."),
    ("SELECT a FROM t WHERE a && b", "Line 1:25: && is not expected here. Write AND."),
    ("SELECT a::INT FROM t EMIT CHANGES", "Line 1:9: :: is not expected here. Write CAST(value AS type)."),
    ("SELECT a = b = c FROM t", "Line 1:14: A second = is not expected here. Comparisons do not chain: join two of them by AND, or use brackets."),
    ("SELECT a ? b FROM t", "Line 1:10: ? has no meaning here. If it belongs to a name, put the name in backticks; if to a text, in single quotes."),
    # queries
    ("SELECT a FROM t GROUP BY a WHERE b", "Line 1:28: WHERE is not expected here. It stands before GROUP BY."),
    ("SELECT a FROM t WHERE a WHERE b", "Line 1:25: This is a second WHERE. A query has one of each clause; conditions are joined by AND."),
    (
        "SELECT a FROM t ORDER BY a EMIT CHANGES",
        "Line 1:17: ORDER BY works in pull queries only, which have no EMIT. Leave out the EMIT clause, or this.",
    ),
    (
        "CREATE STREAM s AS SELECT * FROM t ORDER BY a",
        "Line 1:36: ORDER BY has no meaning over a stream that does not end. Use it in a pull query, a SELECT without EMIT.",
    ),
    (
        "SELECT DISTINCT a FROM t EMIT CHANGES",
        "Line 1:8: SELECT DISTINCT works in pull queries only, which have no EMIT. Over a stream, GROUP BY the columns instead.",
    ),
    (
        "SELECT COUNT(DISTINCT a) FROM t EMIT CHANGES",
        "Line 1:14: DISTINCT is not expected here. COUNT_DISTINCT and COLLECT_SET aggregate distinct values.",
    ),
    ("SELECT a FROM t LIMIT 2.5", "Line 1:23: 2.5 is not expected here. Expected a whole number."),
    ("SELECT a FROM t WINDOW TUMBLING (SIZE 5) GROUP BY a", "Line 1:40: ) is not expected here. Expected a unit of time, like MINUTES."),
    ("SELECT a FROM t WINDOW TUMBLING (5 MINUTES) GROUP BY a", "Line 1:34: 5 is not expected here. Expected SIZE."),
    ("SELECT a FROM t WINDOW TUMBLING (SIZE 0 MINUTES) GROUP BY a", "Line 1:17: The size of a window is more than zero."),
    ("SELECT a FROM t WINDOW SESSION (0 DAYS) GROUP BY a", "Line 1:17: The gap of a session is more than zero."),
    (
        "SELECT a FROM t WINDOW HOPPING (SIZE 1 DAY, ADVANCE BY 2 DAYS) GROUP BY a",
        "Line 1:17: A window advances by more than zero and by no more than its size.",
    ),
    ("SELECT a FROM t GROUP BY a AND b", "Line 1:28: AND is not expected here. GROUP BY takes values: put a condition in brackets."),
    ("SELECT a FROM t GROUP BY a, (b, c)", "Line 1:31: A list within the list is not expected here. Put all of it in brackets, or nothing."),
    ("SELECT * FROM EXPLODE(a)", "Line 1:15: EXPLODE is called here, but a source is a name. Table functions like EXPLODE stand in the SELECT list."),
    # values and types
    ("SELECT 9223372036854775808 FROM t", "Line 1:8: 9223372036854775808 is more than a BIGINT holds. Write a DECIMAL with a point, or a string."),
    ("SELECT 1e309 FROM t", "Line 1:8: 1e309 is more than a DOUBLE holds. The greatest is about 1.797E308."),
    (f"SELECT 0.{'1' * 39} FROM t", "Line 1:8: A DECIMAL has at most 38 digits. Write a DOUBLE, like 1.5E0, for more."),
    ("SELECT a LIKE 'x' ESCAPE '' FROM t", "Line 1:8: ESCAPE takes one character, but '' has 0."),
    ("SELECT f((x, x) => x) FROM t", "Line 1:10: Two parameters of a lambda have the same name. Give each its own."),
    ("CREATE TABLE t (a DECIMAL)", "Line 1:19: DECIMAL needs a precision and a scale. Write DECIMAL(10, 2), for instance."),
    ("CREATE TABLE t (a DECIMAL(5))", "Line 1:19: DECIMAL takes a precision and a scale. Write DECIMAL(10, 2), for instance."),
    ("CREATE TABLE t (a DECIMAL(50, 2))", "Line 1:19: The precision of a DECIMAL is 1 to 38, not 50."),
    ("CREATE TABLE t (a DECIMAL(2, 3))", "Line 1:19: The scale of a DECIMAL is at most its precision, but 3 is more than 2."),
    ("CREATE TABLE t (a INT(11))", "Line 1:19: INT takes no size. Write INT alone."),
    ("CREATE TABLE t (a INT (KEY))", "Line 1:24: KEY is not expected here. Expected a whole number or STRING."),
    ("SELECT CAST(a AS NULL) FROM t", "Line 1:18: NULL is a reserved word. To use it as a name, put it in backticks: `NULL`"),
    # statements
    (
        "CREATE STREAM s (a INT) AS SELECT * FROM t",
        "Line 1:18: CREATE STREAM AS takes its columns from the query. "
        "Leave out the list of columns, and name each in the query: expression AS name.",
    ),
    ("CREATE STREAM s WITH (a='1', A='2')", "Line 1:30: The option A is given twice. Leave one of them out."),
    (
        "CREATE OR REPLACE SINK CONNECTOR c WITH ('a'='b')",
        "Line 1:1: A connector cannot be replaced. DROP CONNECTOR first, then create it anew.",
    ),
    ("INSERT INTO t VALUES (1), (2)", "Line 1:25: INSERT takes one row. Write one INSERT for each row."),
    ("ASSERT SCHEMA TIMEOUT 1 SECOND", "Line 1:1: ASSERT SCHEMA needs to know which schema. Say SUBJECT name, or ID number, or both."),
    ("EXPLAIN EXPLAIN q", "Line 1:9: EXPLAIN cannot be explained. Write EXPLAIN once."),
    ("PRINT t INTERVAL 0", "Line 1:1: The INTERVAL of PRINT is 1 or more: every n-th record is printed."),
    ("PRINT t LIMIT 99999999999999999999", "Line 1:15: 99999999999999999999 is more than a count can be."),
    ("ASSERT TOPIC t TIMEOUT 9999999999999 YEARS", "Line 1:24: 9999999999999 YEARS is longer than time can be counted in milliseconds."),
    ("SELECT ${name} FROM t", "Line 1:8: The variable ${name} is not defined. Write DEFINE name = '...'; before it."),
]


@pytest.mark.parametrize(("sql", "message"), SLIPS)
def test_message(sql: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse_one(sql)
    assert str(caught.value) == message


def test_position_is_in_the_whole_text() -> None:
    with pytest.raises(SqlError) as caught:
        parse("SHOW STREAMS;\n/* two\nlines */ SHOW TBLES;")
    assert str(caught.value) == "Line 3:15: TBLES is not expected here. Did you mean TABLES?"


def test_one_statement_is_one() -> None:
    with pytest.raises(SqlError, match=r"^Line 1:1: There is no statement here\."):
        parse_one(" -- nothing")
    with pytest.raises(SqlError, match=r"^Line 2:1: One statement is expected, but a second one follows\."):
        parse_one("SHOW STREAMS;\nSHOW TABLES")


@pytest.mark.parametrize(
    ("parse_part", "text", "message"),
    [
        (parse_expression, "", "Line 1:1: The statement ends too soon. Expected an expression."),
        (parse_expression, "a b", "Line 1:3: b is not expected here."),
        (parse_expression, "a; b", "Line 1:2: ; is not expected here."),
        (parse_type, "ARRAY<INT", "Line 1:10: The statement ends too soon. Expected >."),
        (parse_schema, "a INT b", "Line 1:7: b is not expected here. Is a comma missing before it?"),
    ],
)
def test_parts(parse_part: object, text: str, message: str) -> None:
    assert callable(parse_part)
    with pytest.raises(SqlError) as caught:
        parse_part(text)
    assert str(caught.value).startswith(message)
