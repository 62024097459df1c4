"""Each form of each statement and expression, and the tree it becomes."""

from __future__ import annotations

from decimal import Decimal as Number
from typing import Any

import pytest

from penstock.errors import Position, SqlError
from penstock.sql import ast, types
from penstock.sql.ast import ColumnDefinition, ColumnRef, Literal, Select, SelectAll, SelectItem, Source
from penstock.sql.parser import parse, parse_expression, parse_one, parse_schema, parse_type

A, B, C, D = (ColumnRef(name) for name in "ABCD")
ONE, TWO = Literal(1), Literal(2)
WORDS = """
    date time timestamp key value partition offset window topic type size id url interval days year if emit limit map replace session struct array
""".split()  # noqa: SIM905
ALL_OF_S = Select((SelectAll(),), Source("S"))


def select(sql: str) -> Select:
    statement = parse_one(sql)
    assert isinstance(statement, ast.Query), sql
    return statement.select


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("NULL", Literal(None)),
        ("true", Literal(True)),
        ("5", Literal(5)),
        ("-5", Literal(-5)),
        ("- 5", Literal(-5)),
        ("+5", Literal(5)),
        ("-(5)", ast.Negate(Literal(5))),
        ("- -5", ast.Negate(Literal(-5))),
        ("-a", ast.Negate(A)),
        ("007", Literal(7)),
        ("9223372036854775807", Literal(2**63 - 1)),
        ("-9223372036854775808", Literal(-(2**63))),
        ("1.5", Literal(Number("1.5"))),
        ("1.50", Literal(Number("1.50"))),
        ("1.", Literal(Number("1"))),
        (".5", Literal(Number(".5"))),
        ("-00.5", Literal(Number("-0.5"))),
        ("1e3", Literal(1000.0)),
        ("1.5E0", Literal(1.5)),
        (".5e-1", Literal(0.05)),
        ("04.90E-324", Literal(5e-324)),
        ("''", Literal("")),
        ("'it''s'", Literal("it's")),
        ("'two\nlines -- no comment'", Literal("two\nlines -- no comment")),
        ("a", A),
        ("`a`", ColumnRef("a")),
        ('"a b"', ColumnRef("a b")),
        ("`a``b`", ColumnRef("a`b")),
        ("s.a", ColumnRef("A", "S")),
        ("`s`.a", ColumnRef("A", "s")),
        ("1R", ColumnRef("1R")),
        ("a->b->c", ast.Dereference(ast.Dereference(A, "B"), "C")),
        ("s.a->`b`", ast.Dereference(ColumnRef("A", "S"), "b")),
        ("a[1]['k']", ast.Subscript(ast.Subscript(A, ONE), Literal("k"))),
        ("a[-1]->b", ast.Dereference(ast.Subscript(A, Literal(-1)), "B")),
        ("a + b * c", ast.Arithmetic("+", A, ast.Arithmetic("*", B, C))),
        ("a - b - c", ast.Arithmetic("-", ast.Arithmetic("-", A, B), C)),
        ("a - -1", ast.Arithmetic("-", A, Literal(-1))),
        ("a-1", ast.Arithmetic("-", A, ONE)),
        ("(a + b) % c / d", ast.Arithmetic("/", ast.Arithmetic("%", ast.Arithmetic("+", A, B), C), D)),
        ("a || b + c", ast.Arithmetic("||", A, ast.Arithmetic("+", B, C))),
        ("a = 1", ast.Comparison("=", A, ONE)),
        ("a != 1", ast.Comparison("<>", A, ONE)),
        ("a <> 1", ast.Comparison("<>", A, ONE)),
        ("a<=1", ast.Comparison("<=", A, ONE)),
        ("a >= b", ast.Comparison(">=", A, B)),
        ("a IS DISTINCT FROM b", ast.Comparison("IS DISTINCT FROM", A, B)),
        ("a IS NOT DISTINCT FROM b", ast.Comparison("IS NOT DISTINCT FROM", A, B)),
        ("a IS NULL", ast.IsNull(A)),
        ("a IS NOT NULL", ast.IsNull(A, True)),
        ("a BETWEEN 1 AND b + 2 AND c", ast.Logical("AND", ast.Between(A, ONE, ast.Arithmetic("+", B, TWO)), C)),
        ("a NOT BETWEEN 1 AND 2", ast.Between(A, ONE, TWO, True)),
        ("a IN (1, b = 2)", ast.In(A, (ONE, ast.Comparison("=", B, TWO)))),
        ("a NOT IN (1)", ast.In(A, (ONE,), True)),
        ("a LIKE '%x'", ast.Like(A, Literal("%x"))),
        ("a NOT LIKE '!%' ESCAPE '!'", ast.Like(A, Literal("!%"), "!", True)),
        ("NOT a > 1 AND b", ast.Logical("AND", ast.Not(ast.Comparison(">", A, ONE)), B)),
        ("a OR b AND c", ast.Logical("OR", A, ast.Logical("AND", B, C))),
        ("a AND b AND c", ast.Logical("AND", ast.Logical("AND", A, B), C)),
        ("a OR b OR c OR d", ast.Logical("OR", ast.Logical("OR", A, B), ast.Logical("OR", C, D))),
        ("CASE WHEN a THEN 1 WHEN b THEN 2 ELSE c END", ast.Case(None, (ast.When(A, ONE), ast.When(B, TWO)), C)),
        ("case a when 1 then b end", ast.Case(A, (ast.When(ONE, B),), None)),
        ("CAST(a AS DECIMAL(4, 2))", ast.Cast(A, types.Decimal(4, 2))),
        ("cast(null as my_type)", ast.Cast(Literal(None), types.Named("MY_TYPE"))),
        ("count(*)", ast.FunctionCall("COUNT", (ast.Star(),))),
        ("count()", ast.FunctionCall("COUNT", ())),
        ("`My_Fn`(a)", ast.FunctionCall("MY_FN", (A,))),
        ("replace(a, 'x', 'y')", ast.FunctionCall("REPLACE", (A, Literal("x"), Literal("y")))),
        ("DATEADD(DAY, 5, d)", ast.FunctionCall("DATEADD", (ast.IntervalUnit("DAYS"), Literal(5), D))),
        ("timestampsub(milliseconds, a, b)", ast.FunctionCall("TIMESTAMPSUB", (ast.IntervalUnit("MILLISECONDS"), A, B))),
        ("LATEST_BY_OFFSET(year)", ast.FunctionCall("LATEST_BY_OFFSET", (ColumnRef("YEAR"),))),
        ("WINDOWSTART()", ColumnRef("WINDOWSTART")),
        ("windowend", ColumnRef("WINDOWEND")),
        ("ARRAY[]", ast.ArrayConstructor(())),
        ("array[1, a]", ast.ArrayConstructor((ONE, A))),
        ("MAP()", ast.MapConstructor(())),
        ("map('k' := 1, a:=2)", ast.MapConstructor(((Literal("k"), ONE), (A, TWO)))),
        ("STRUCT()", ast.StructConstructor(())),
        ('STRUCT("lat" := a, lon := b)', ast.StructConstructor((("lat", A), ("LON", B)))),
        ("map < array + struct", ast.Comparison("<", ColumnRef("MAP"), ast.Arithmetic("+", ColumnRef("ARRAY"), ColumnRef("STRUCT")))),
        ("f(x => x + 1)", ast.FunctionCall("F", (ast.Lambda(("X",), ast.Arithmetic("+", ColumnRef("X"), ONE)),))),
        ("f((x) => x)", ast.FunctionCall("F", (ast.Lambda(("X",), ColumnRef("X")),))),
        ("f(a, (k, v) => (v))", ast.FunctionCall("F", (A, ast.Lambda(("K", "V"), ColumnRef("V"))))),
        ("f((a))", ast.FunctionCall("F", (A,))),
    ],
)
def test_expressions(sql: str, expected: ast.Expression) -> None:
    assert parse_expression(sql) == expected


@pytest.mark.parametrize("word", WORDS)
def test_words_that_are_names_too(word: str) -> None:
    name = word.upper()
    assert select(f"SELECT {word}, x AS {word}, {word}.{word} {word} FROM {word} AS {word} WHERE {word} = {word}->{word}") == Select(
        (SelectItem(ColumnRef(name)), SelectItem(ColumnRef("X"), name), SelectItem(ColumnRef(name, name), name)),
        Source(name, name),
        where=ast.Comparison("=", ColumnRef(name), ast.Dereference(ColumnRef(name), name)),
    )
    assert parse_one(f"CREATE STREAM s ({word} INT KEY, {word}2 STRUCT<{word} INT>)") == ast.CreateSource(
        "STREAM",
        "S",
        (ColumnDefinition(name, types.INTEGER, "KEY"), ColumnDefinition(f"{name}2", types.Struct((types.Field(name, types.INTEGER),)))),
        {},
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("int", types.INTEGER),
        ("VARCHAR", types.STRING),
        ("VARCHAR(255)", types.STRING),
        ("VARCHAR(STRING)", types.STRING),
        ("timestamp", types.TIMESTAMP),
        ("DECIMAL(38,0)", types.Decimal(38, 0)),
        ("ARRAY<MAP<STRING, ARRAY<INT>>>", types.Array(types.Map(types.STRING, types.Array(types.INTEGER)))),
        ("struct < a int, `b` bytes >", types.Struct((types.Field("A", types.INTEGER), types.Field("b", types.BYTES)))),
        ("STRUCT<>", types.Struct(())),
        ("address", types.Named("ADDRESS")),
        ("`address`", types.Named("address")),
    ],
)
def test_types(sql: str, expected: types.SqlType) -> None:
    assert parse_type(sql) == expected


def test_schema() -> None:
    assert parse_schema("id BIGINT PRIMARY KEY, v STRING, h ARRAY<STRUCT<key STRING, value BYTES>> HEADERS, t BYTES HEADER('it''s')") == (
        ColumnDefinition("ID", types.BIGINT, "PRIMARY KEY"),
        ColumnDefinition("V", types.STRING),
        ColumnDefinition("H", parse_type("ARRAY<STRUCT<KEY STRING, VALUE BYTES>>"), "HEADERS"),
        ColumnDefinition("T", types.BYTES, "HEADER", "it's"),
    )


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("TUMBLING (SIZE 6 HOURS, RETENTION 7 DAYS, GRACE PERIOD 10 MINUTES)", ast.Window("TUMBLING", 21_600_000, None, 604_800_000, 600_000)),
        ("TUMBLING(size 1 minutes)", ast.Window("TUMBLING", 60_000)),
        ("TUMBLING (SIZE 48 HOURS, GRACE PERIOD 10 MINUTE)", ast.Window("TUMBLING", 172_800_000, grace_ms=600_000)),
        ("HOPPING (SIZE 1 HOUR, ADVANCE BY 10 MINUTES)", ast.Window("HOPPING", 3_600_000, 600_000)),
        ("HOPPING (SIZE 1 DAY, ADVANCE BY 1 DAY, RETENTION 2 WEEKS)", ast.Window("HOPPING", 86_400_000, 86_400_000, 1_209_600_000)),
        ("SESSION (30 SECONDS)", ast.Window("SESSION", 30_000)),
        ("SESSION (5 MILLISECONDS, GRACE PERIOD 0 SECONDS)", ast.Window("SESSION", 5, grace_ms=0)),
        ("named SESSION (1 MONTH, RETENTION 1 YEAR)", ast.Window("SESSION", 30 * 86_400_000, None, 365 * 86_400_000)),
    ],
)
def test_windows(clause: str, expected: ast.Window) -> None:
    assert select(f"SELECT * FROM s WINDOW {clause} GROUP BY a EMIT FINAL").window == expected


@pytest.mark.parametrize(
    ("clause", "kind", "within"),
    [
        ("JOIN", "INNER", None),
        ("INNER JOIN", "INNER", None),
        ("LEFT JOIN", "LEFT", None),
        ("left outer join", "LEFT", None),
        ("RIGHT JOIN", "RIGHT", None),
        ("RIGHT OUTER JOIN", "RIGHT", None),
        ("FULL JOIN", "FULL", None),
        ("FULL OUTER JOIN", "FULL", None),
        ("JOIN ... WITHIN 10 MINUTES", "INNER", ast.Within(600_000, 600_000)),
        ("LEFT JOIN ... WITHIN (1 HOUR, 2 HOURS)", "LEFT", ast.Within(3_600_000, 7_200_000)),
        ("JOIN ... WITHIN 1 MINUTE GRACE PERIOD 5 SECONDS", "INNER", ast.Within(60_000, 60_000, 5_000)),
        ("JOIN ... WITHIN (1 DAY, 0 DAYS) GRACE PERIOD 1 DAY", "INNER", ast.Within(86_400_000, 0, 86_400_000)),
    ],
)
def test_joins(clause: str, kind: Any, within: ast.Within | None) -> None:
    join, _, rest = clause.partition(" ... ")
    assert select(f"SELECT * FROM s AS x {join} t {rest} ON x.a = t.a EMIT CHANGES").relation == ast.Join(
        kind, Source("S", "X"), Source("T"), ast.Comparison("=", ColumnRef("A", "X"), ColumnRef("A", "T")), within
    )


def test_joins_of_many() -> None:
    relation = select("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c d WITHIN 1 HOUR ON b.y = d.y").relation
    assert isinstance(relation, ast.Join)
    assert (relation.kind, relation.right, relation.within) == ("LEFT", Source("C", "D"), ast.Within(3_600_000, 3_600_000))
    assert isinstance(relation.left, ast.Join)
    assert (relation.left.left, relation.left.right) == (Source("A"), Source("B"))


def test_every_clause_of_a_query() -> None:
    sql = "select s.*, a->*, f(a) b from s where a group by (a, b) partition by c, d having count(*) > 1 emit changes limit 3"
    assert select(sql) == Select(
        (ast.SelectAll("S"), ast.SelectStructAll(A), SelectItem(ast.FunctionCall("F", (A,)), "B")),
        Source("S"),
        None,
        A,
        (A, B),
        (C, D),
        ast.Comparison(">", ast.FunctionCall("COUNT", (ast.Star(),)), ONE),
        "CHANGES",
        3,
    )


@pytest.mark.parametrize(
    ("clause", "groups"),
    [("a, b", (A, B)), ("(a)", (A,)), ("(a, b)", (A, B)), ("(a + b), c", (ast.Arithmetic("+", A, B), C)), ("(a) + b", (ast.Arithmetic("+", A, B),))],
)
def test_groups(clause: str, groups: tuple[ast.Expression, ...]) -> None:
    assert select(f"SELECT * FROM s GROUP BY {clause}").group_by == groups
    assert select(f"SELECT * FROM s PARTITION BY {clause}").partition_by == groups


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE STREAM s WITH (kafka_topic='t', partitions=3)", ast.CreateSource("STREAM", "S", (), {"KAFKA_TOPIC": "t", "PARTITIONS": 3})),
        (
            "CREATE OR REPLACE SOURCE TABLE IF NOT EXISTS `t` (id INT PRIMARY KEY) WITH ('Format'='JSON', wrap_single_value=false, x=-1.5, y=NULL)",
            ast.CreateSource(
                "TABLE",
                "t",
                (ColumnDefinition("ID", types.INTEGER, "PRIMARY KEY"),),
                {"FORMAT": "JSON", "WRAP_SINGLE_VALUE": False, "X": Number("-1.5"), "Y": None},
                or_replace=True,
                if_not_exists=True,
                is_source=True,
            ),
        ),
        ("CREATE STREAM s AS SELECT * FROM s", ast.CreateAsSelect("STREAM", "S", {}, ALL_OF_S)),
        (
            "CREATE OR REPLACE TABLE IF NOT EXISTS t WITH (format='AVRO') AS SELECT * FROM s",
            ast.CreateAsSelect("TABLE", "T", {"FORMAT": "AVRO"}, ALL_OF_S, or_replace=True, if_not_exists=True),
        ),
        ("INSERT INTO t SELECT * FROM s", ast.InsertInto("T", {}, ALL_OF_S)),
        ("INSERT INTO t WITH (query_id='q') SELECT * FROM s", ast.InsertInto("T", {"QUERY_ID": "q"}, ALL_OF_S)),
        ("INSERT INTO t VALUES (1, 'x')", ast.InsertValues("T", (), (ONE, Literal("x")))),
        ("INSERT INTO t (a, `b`) VALUES (1, 1 + 1)", ast.InsertValues("T", ("A", "b"), (ONE, ast.Arithmetic("+", ONE, ONE)))),
        ("SELECT * FROM s;", ast.Query(ALL_OF_S)),
        ("DROP STREAM s", ast.DropSource("STREAM", "S")),
        ("DROP TABLE IF EXISTS t DELETE TOPIC", ast.DropSource("TABLE", "T", True, True)),
        (
            "ALTER STREAM s ADD COLUMN a INT, ADD b STRING",
            ast.AlterSource("STREAM", "S", (ColumnDefinition("A", types.INTEGER), ColumnDefinition("B", types.STRING))),
        ),
        ("CREATE TYPE IF NOT EXISTS address AS STRUCT<a INT>", ast.CreateType("ADDRESS", parse_type("STRUCT<A INT>"), True)),
        ("DROP TYPE IF EXISTS address", ast.DropType("ADDRESS", True)),
        (
            "CREATE SOURCE CONNECTOR `c` WITH (\"connector.class\"='x.Y', 'tasks.max'=1, name='n')",
            ast.CreateConnector("SOURCE", "c", {"connector.class": "x.Y", "tasks.max": 1, "name": "n"}),
        ),
        ("CREATE SINK CONNECTOR IF NOT EXISTS 'C-d' WITH ('a'='b')", ast.CreateConnector("SINK", "C-d", {"a": "b"}, True)),
        ("PAUSE CONNECTOR c", ast.PauseConnector("C")),
        ("RESUME CONNECTOR 'c'", ast.ResumeConnector("c")),
        ("DROP CONNECTOR IF EXISTS c", ast.DropConnector("C", True)),
        ("TERMINATE csas_s_3", ast.Terminate("CSAS_S_3")),
        ("TERMINATE QUERY `q-1`", ast.Terminate("q-1")),
        ("TERMINATE ALL", ast.Terminate(None)),
        ("PAUSE q", ast.Pause("Q")),
        ("PAUSE ALL", ast.Pause(None)),
        ("RESUME q", ast.Resume("Q")),
        ("RESUME ALL", ast.Resume(None)),
        ("SET 'auto.offset.reset' = 'earliest'", ast.SetProperty("auto.offset.reset", "earliest")),
        ("SET 'cache' = 0", ast.SetProperty("cache", "0")),
        ("SET 'x' = TRUE", ast.SetProperty("x", "true")),
        ("UNSET 'x'", ast.UnsetProperty("x")),
        ("ALTER SYSTEM 'x'='y'", ast.AlterSystem("x", "y")),
        ("DEFINE Name = '''x'''", ast.Define("Name", "'x'")),
        ("UNDEFINE Name", ast.Undefine("Name")),
        *((f"{verb} {what}", ast.Show(what)) for verb in ("SHOW", "LIST") for what in ("STREAMS", "TABLES", "TOPICS", "ALL TOPICS", "QUERIES")),
        *((f"SHOW {what} EXTENDED", ast.Show(what, True)) for what in ("STREAMS", "TABLES", "TOPICS", "ALL TOPICS", "QUERIES")),
        *((f"list {what.lower()}", ast.Show(what)) for what in ("PROPERTIES", "FUNCTIONS", "TYPES", "CONNECTORS", "VARIABLES")),
        *((f"SHOW {what}", ast.Show(what)) for what in ("SOURCE CONNECTORS", "SINK CONNECTORS", "CONNECTOR PLUGINS")),
        ("DESCRIBE s", ast.Describe("SOURCE", "S")),
        ("DESC s EXTENDED", ast.Describe("SOURCE", "S", True)),
        ("DESCRIBE EXTENDED s", ast.Describe("SOURCE", "S", True)),
        ("DESCRIBE STREAMS", ast.Describe("STREAMS")),
        ("DESCRIBE TABLES EXTENDED", ast.Describe("TABLES", None, True)),
        ("DESCRIBE FUNCTION len", ast.Describe("FUNCTION", "LEN")),
        ("DESCRIBE CONNECTOR `c`", ast.Describe("CONNECTOR", "c")),
        ("EXPLAIN q", ast.Explain("Q")),
        ("EXPLAIN ANALYZE q", ast.Explain("Q", analyze=True)),
        ("EXPLAIN SELECT * FROM s", ast.Explain(None, ast.Query(ALL_OF_S))),
        ("PRINT My_Topic", ast.Print("My_Topic")),
        ("print 'data_mqtt'", ast.Print("data_mqtt")),
        ("PRINT `t` FROM BEGINNING INTERVAL 5 LIMIT 3", ast.Print("t", True, 5, 3)),
        ("PRINT t SAMPLE 5", ast.Print("t", False, 5)),
        ("RUN SCRIPT 'x.sql'", ast.RunScript("x.sql")),
        ("ASSERT TOPIC foo", ast.AssertTopic("foo", {})),
        ("ASSERT NOT EXISTS TOPIC 'f-o' TIMEOUT 10 SECONDS", ast.AssertTopic("f-o", {}, False, 10_000)),
        ("ASSERT TOPIC foo WITH (PARTITIONS=3, REPLICAS=1)", ast.AssertTopic("foo", {"PARTITIONS": 3, "REPLICAS": 1})),
        ("SPOOL 'x.log'", ast.Spool("x.log")),
        ("SPOOL OFF", ast.Spool(None)),
        ("ASSERT STREAM s", ast.AssertSource("STREAM", "S", (), {})),
        (
            "ASSERT TABLE t (a INT KEY) WITH (format='JSON')",
            ast.AssertSource("TABLE", "T", (ColumnDefinition("A", types.INTEGER, "KEY"),), {"FORMAT": "JSON"}),
        ),
        ("ASSERT VALUES s VALUES (1)", ast.AssertValues("S", (), (ONE,))),
        ("ASSERT VALUES s (a, `b`) VALUES (1, 'x')", ast.AssertValues("S", ("A", "b"), (ONE, Literal("x")))),
        ("ASSERT NULL VALUES s (a) KEY (1)", ast.AssertValues("S", ("A",), (ONE,), True)),
        ("ASSERT SCHEMA SUBJECT 'foo-value' ID 3", ast.AssertSchema("foo-value", 3)),
        ("ASSERT NOT EXISTS SCHEMA ID 3 TIMEOUT 1 MINUTE", ast.AssertSchema(None, 3, False, 60_000)),
    ],
)
def test_statements(sql: str, expected: ast.Statement) -> None:
    statement = parse_one(sql)
    assert statement == expected
    assert statement.text == sql.removesuffix(";")


def test_many_statements_comments_and_empty_ones() -> None:
    sql = "-- first; not a statement\nSHOW STREAMS; ;/* a ; 'b */ SHOW TABLES -- last"
    assert [each.text for each in parse(sql)] == ["SHOW STREAMS", "SHOW TABLES"]
    assert parse("") == parse(" ;; -- nothing\n") == []


def test_positions_count_from_one_over_the_whole_text() -> None:
    first, second = parse("SHOW STREAMS;\n\n  SELECT a,\n   f(b + 1) FROM s;")
    assert first.position == Position(1, 1)
    assert isinstance(second, ast.Query)
    assert second.position == Position(3, 3)
    item = second.select.items[1]
    assert isinstance(item, SelectItem)
    call = item.expression
    assert isinstance(call, ast.FunctionCall)
    assert call.position == Position(4, 4)
    assert call.arguments[0].position == Position(4, 6)
    assert isinstance(call.arguments[0], ast.Arithmetic)
    assert call.arguments[0].right.position == Position(4, 10)


def test_text_of_the_explained_statement() -> None:
    statement = parse_one("EXPLAIN  SELECT * FROM s ;")
    assert isinstance(statement, ast.Explain)
    assert statement.statement is not None
    assert statement.statement.text == "SELECT * FROM s"


def test_literals_of_different_types_differ() -> None:
    values = [parse_expression(text) for text in ("1", "1.", "1.0", "1e0", "TRUE", "'1'")]
    assert len(set(values)) == len(values)


def test_long_chains_do_not_nest() -> None:
    conditions = " OR ".join(f"a = {n}" for n in range(10_000))
    where = select(f"SELECT * FROM s WHERE {conditions}").where
    depth = 0
    while isinstance(where, ast.Logical):
        where, depth = where.left, depth + 1
    assert depth <= 15


@pytest.mark.parametrize(
    "nested",
    [
        "SELECT " + "(" * 20_000 + "a" + ")" * 20_000 + " + " + " + ".join("a" * 300) + " FROM s",
        "SELECT " + "f(" * 10_000 + "a" + ")" * 10_000 + " FROM s",
        "SELECT " + "- " * 20_000 + "a FROM s",
        "SELECT " + "NOT " * 20_000 + "a FROM s",
        "SELECT " + " + ".join("a" * 10_000) + " FROM s",
        "SELECT a" + "[1]" * 10_000 + " FROM s",
        "SELECT a" + "->a" * 20_000 + " FROM s",
        "SELECT " + "CASE WHEN a THEN " * 4_000 + "a" + " END" * 4_000 + " FROM s",
        "SELECT " + "f(x => " * 5_000 + "a" + ")" * 5_000 + " FROM s",
        "CREATE TYPE t AS " + "ARRAY<" * 10_000 + "INT" + ">" * 10_000,
        "SELECT * FROM s" + " JOIN s ON a = b" * 5_000,
    ],
)
def test_deep_nesting_is_refused(nested: str) -> None:
    with pytest.raises(SqlError, match="nested more than 100 levels deep"):
        parse_one(nested)


def test_length_has_a_limit() -> None:
    assert isinstance(parse_one(f"INSERT INTO t VALUES ({', '.join('1' * 24_000)})"), ast.InsertValues)
    with pytest.raises(SqlError, match=r"^Line 1:75015: This statement has 60,005 words and signs, and 50,000 are the most\."):
        parse_one(f"INSERT INTO t VALUES ({', '.join('1' * 30_000)})")


def test_brackets_alone_do_not_nest() -> None:
    assert parse_expression("(" * 10_000 + "a" + ")" * 10_000) == A
