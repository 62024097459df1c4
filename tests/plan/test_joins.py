"""Joins: which kinds there are, what keys them, and where a side is repartitioned."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import schema_text
from penstock.plan.explanation import inputs
from penstock.plan.steps import ForeignKeyJoin, Rekey, Select, Step, StreamStreamJoin, StreamTableJoin, TableTableJoin

SOURCES = """
CREATE STREAM A (ID INT KEY, X INT, S STRING) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON');
CREATE STREAM B (ID INT KEY, Y INT) WITH (KAFKA_TOPIC='b', VALUE_FORMAT='JSON');
CREATE TABLE T (ID INT PRIMARY KEY, X INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE TABLE U (ID INT PRIMARY KEY, Y INT) WITH (KAFKA_TOPIC='u', VALUE_FORMAT='JSON');
CREATE TABLE V (K INT PRIMARY KEY, K2 INT PRIMARY KEY, Y INT) WITH (KAFKA_TOPIC='v', FORMAT='JSON');
CREATE TABLE V2 (ID INT PRIMARY KEY, Y INT) WITH (KAFKA_TOPIC='v2', FORMAT='JSON');
CREATE STREAM W (ID INT KEY, Y INT) WITH (KAFKA_TOPIC='w', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING', WINDOW_SIZE='10 SECONDS');
CREATE STREAM W2 (ID INT KEY, Z INT) WITH (KAFKA_TOPIC='w2', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING', WINDOW_SIZE='10 SECONDS');
CREATE STREAM W3 (ID INT KEY, Z INT) WITH (KAFKA_TOPIC='w3', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING', WINDOW_SIZE='20 SECONDS');
CREATE STREAM WS (ID INT KEY, Z INT) WITH (KAFKA_TOPIC='ws', VALUE_FORMAT='JSON', WINDOW_TYPE='SESSION');
"""


def made(kind: str, query: str) -> tuple[str, Step]:
    """The schema of the result OUT of a query, and its topmost join."""
    world = World()
    world.run(SOURCES)
    plan = world.plan(f"CREATE {kind} OUT AS {query};")
    step: Step = plan.input
    while not isinstance(step, StreamStreamJoin | StreamTableJoin | TableTableJoin | ForeignKeyJoin):
        step = inputs(step)[0]
    return schema_text(world.held["OUT"]), step


def test_stream_table() -> None:
    schema, step = made("STREAM", "SELECT A.ID, A.X, T.X FROM A JOIN T ON A.ID = T.ID")
    assert schema == "`A_ID` INT KEY, `A_X` INT, `T_X` INT"
    assert isinstance(step, StreamTableJoin)
    assert [c.name for c in step.schema.key] == ["A.ID"]
    assert not isinstance(step.left, Rekey)


def test_a_stream_is_repartitioned_where_it_joins_on_another_column() -> None:
    schema, step = made("STREAM", "SELECT A.X, A.ID, T.X FROM A LEFT JOIN T ON A.X = T.ID")
    assert schema == "`A_X` INT KEY, `A_ID` INT, `T_X` INT"
    assert isinstance(step, StreamTableJoin)
    assert isinstance(step.left, Rekey)
    assert [c.name for c in step.left.schema.columns] == ["A.X", "A.ID"]
    assert not step.left.keep_null


def test_stream_stream() -> None:
    schema, step = made("STREAM", "SELECT * FROM A JOIN B WITHIN (1 HOUR, 2 HOURS) GRACE PERIOD 5 MINUTES ON A.ID = B.ID")
    assert schema == "`A_ID` INT KEY, `A_X` INT, `A_S` STRING, `B_ID` INT, `B_Y` INT"
    assert isinstance(step, StreamStreamJoin)
    assert (step.before_ms, step.after_ms, step.grace_ms) == (3_600_000, 7_200_000, 300_000)


@pytest.mark.parametrize(("join", "condition", "key"), [
    ("JOIN", "A.ID = B.ID", "A_ID"),
    ("JOIN", "A.ID = ABS(B.ID)", "A_ID"),
    ("JOIN", "ABS(A.ID) = B.ID", "B_ID"),  # an expression cannot stand for the key
    ("JOIN", "ABS(A.ID) = ABS(B.ID)", "ROWKEY"),
    ("RIGHT JOIN", "A.ID = B.ID", "A_ID"),
    ("FULL JOIN", "A.ID = B.ID", "ROWKEY"),  # either side may be missing
])
def test_which_column_is_the_key(join: str, condition: str, key: str) -> None:
    schema, _ = made("STREAM", f"SELECT * FROM A {join} B WITHIN 1 HOUR ON {condition}")
    assert schema.startswith(f"`{key}` INT KEY, ")


def test_the_key_of_a_right_join_is_the_right_sides() -> None:
    _, step = made("STREAM", "SELECT A.ID, A.X FROM A RIGHT JOIN B WITHIN 1 HOUR ON A.ID = B.ID")
    assert [c.name for c in step.schema.key] == ["B.ID"]
    world = World()
    world.run(SOURCES)
    root = world.plan("CREATE STREAM OUT AS SELECT A.ID, A.X FROM A RIGHT JOIN B WITHIN 1 HOUR ON A.ID = B.ID;").input
    assert isinstance(root, Select)
    assert [e.name for e in root.key] == ["B.ID"]  # type: ignore[attr-defined]  # columns


def test_a_synthetic_key_keeps_clear_of_the_sources() -> None:
    world = World()
    world.run("""CREATE TABLE L (ROWKEY INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
        CREATE TABLE R (ID INT PRIMARY KEY, ROWKEY_1 INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
        CREATE TABLE OUT AS SELECT ROWKEY_2 AS K, V FROM L FULL JOIN R ON L.ROWKEY = R.ID;""")
    assert schema_text(world.held["OUT"]) == "`K` INT KEY, `V` INT"


def test_table_table() -> None:
    schema, step = made("TABLE", "SELECT T.ID, X, Y FROM T LEFT JOIN U ON U.ID = T.ID")
    assert schema == "`T_ID` INT KEY, `X` INT, `Y` INT"
    assert isinstance(step, TableTableJoin)
    assert step.join == "LEFT"


def test_foreign_key() -> None:
    schema, step = made("TABLE", "SELECT T.ID, U.ID, Y FROM T JOIN U ON T.X + 1 = U.ID")
    assert schema == "`T_ID` INT KEY, `U_ID` INT, `Y` INT"
    assert isinstance(step, ForeignKeyJoin)
    assert [c.name for c in step.schema.key] == ["T.ID"]


def test_three_ways() -> None:
    schema, step = made("STREAM", "SELECT A.ID, X, B.Y, U.Y FROM A JOIN B WITHIN 1 HOUR ON A.ID = B.ID JOIN U ON B.ID = U.ID")
    assert schema == "`A_ID` INT KEY, `X` INT, `B_Y` INT, `U_Y` INT"
    assert isinstance(step, StreamTableJoin)
    assert isinstance(step.left, StreamStreamJoin)  # B.ID is the key already


def test_windowed_sources_join_where_their_windows_are_equal() -> None:
    schema, _ = made("STREAM", "SELECT * FROM W JOIN W2 WITHIN 1 HOUR ON W.ID = W2.ID")
    assert schema.startswith("`W_ID` INT KEY, `W_WINDOWSTART` BIGINT, `W_WINDOWEND` BIGINT, `W_Y` INT, `W2_ID` INT, ")


@pytest.mark.parametrize(("kind", "query", "message"), [
    ("STREAM", "SELECT * FROM A JOIN B ON A.ID = B.ID", "Stream-stream joins must have a WITHIN clause specified. None was provided."),
    ("STREAM", "SELECT * FROM A JOIN T WITHIN 1 HOUR ON A.ID = T.ID", "A window definition was provided for a Stream-Table join."),
    ("STREAM", "SELECT * FROM T JOIN A ON A.ID = T.ID", "Invalid join order: table-stream joins are not supported"),
    ("STREAM", "SELECT * FROM A FULL JOIN T ON A.ID = T.ID", "Invalid join type: full-outer join not supported for stream-table join."),
    ("STREAM", "SELECT * FROM A JOIN T ON A.ID = T.X", "stream-table joins require to join on the table's primary key. Got A.ID = T.X."),
    ("STREAM", "SELECT * FROM A JOIN V ON A.ID = V.K", "stream-table joins require to join on the table's primary key. Got A.ID = V.K."),
    ("TABLE", "SELECT * FROM T JOIN U ON T.ID = U.Y", "table-table joins require to join on the primary key of the right input table."),
    ("TABLE", "SELECT * FROM T FULL JOIN U ON T.X = U.ID", "FULL OUTER JOIN on a foreign key is not supported."),
    ("TABLE", "SELECT Y, X FROM T JOIN U ON T.X = U.ID", "Primary key column missing in projection."),
    ("TABLE", "SELECT T.ID, T.X FROM T FULL JOIN U ON T.ID = U.ID JOIN V2 ON U.ID = V2.ID", "must include the foreign key join ROWKEY"),
    ("STREAM", "SELECT * FROM A JOIN T ON A.S = T.ID", "Invalid join condition: types don't match. Got A.S{STRING} = T.ID{INTEGER}. Cast one side."),
    ("STREAM", "SELECT * FROM A JOIN T ON A.ID = T.ID AND A.X = T.X", "joins on multiple conditions are not yet supported. Got ((A.ID = T.ID) AND"),
    ("STREAM", "SELECT * FROM A JOIN T ON A.ID > T.ID", "Invalid join condition: only an equality joins. Got (A.ID > T.ID)."),
    ("STREAM", "SELECT * FROM A JOIN T ON A.ID = 1", "Each side of the join comparision must contain references from exactly one source."),
    ("STREAM", "SELECT * FROM A JOIN B WITHIN 1 HOUR ON A.ID = B.ID JOIN T ON A.ID = B.ID", "is expected to reference the source (`T`)"),
    ("STREAM", "SELECT * FROM A X JOIN A Y WITHIN 1 HOUR ON X.ID = Y.ID", "Can not join 'A' to 'A': self joins are not yet supported."),
    ("STREAM", "SELECT * FROM A X JOIN B X WITHIN 1 HOUR ON X.ID = X.ID", "Two sources have the alias 'X'."),
    ("STREAM", "SELECT X, Y FROM A JOIN B WITHIN 1 HOUR ON A.ID = B.ID", "must include the join expressions A.ID or B.ID in its projection"),
    ("STREAM", "SELECT * FROM W JOIN B WITHIN 1 HOUR ON W.ID = B.ID", "`W` is TUMBLING windowed, `B` is not windowed."),
    ("STREAM", "SELECT * FROM W JOIN WS WITHIN 1 HOUR ON W.ID = WS.ID", "`W` is TUMBLING windowed, `WS` is SESSION windowed."),
    ("STREAM", "SELECT * FROM W JOIN W3 WITHIN 1 HOUR ON W.ID = W3.ID", "Implicit repartitioning of windowed sources is not supported."),
    ("STREAM", "SELECT * FROM W JOIN W2 WITHIN 1 HOUR ON W.Y = W2.ID", "Implicit repartitioning of windowed sources is not supported."),
])  # fmt: skip
def test_refusals(kind: str, query: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        made(kind, query)
    assert message in str(error.value)
    assert error.value.position is not None
