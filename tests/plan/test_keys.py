"""Keys: what of the SELECT list becomes the key, and PARTITION BY."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import schema_text
from penstock.plan.steps import Rekey, Select, Step

STREAM = "CREATE STREAM S (ID INT KEY, NAME STRING, A STRUCT<TOWN STRING>) WITH (KAFKA_TOPIC='s', FORMAT='JSON');"
TWO_KEYS = "CREATE STREAM T (K INT KEY, K2 INT KEY, V INT) WITH (KAFKA_TOPIC='t', FORMAT='JSON');"


def made(statement: str) -> tuple[str, Step]:
    """The schema of the stream OUT that a statement makes, and its plan below the sink."""
    world = World()
    world.run(STREAM + TWO_KEYS)
    plan = world.plan(statement)
    return schema_text(world.held["OUT"]), plan.input


@pytest.mark.parametrize(("query", "schema"), [
    ("SELECT * FROM S", "`ID` INT KEY, `NAME` STRING, `A` STRUCT<`TOWN` STRING>"),
    ("SELECT NAME, ID AS KEY FROM S", "`KEY` INT KEY, `NAME` STRING"),
    ("SELECT ID, AS_VALUE(ID) AS COPY FROM S", "`ID` INT KEY, `COPY` INT"),
    ("SELECT V, K2, K FROM T", "`K` INT KEY, `K2` INT KEY, `V` INT"),  # a key keeps its order
    ("SELECT ID, NAME FROM S PARTITION BY NAME", "`NAME` STRING KEY, `ID` INT"),
    ("SELECT * FROM S PARTITION BY NAME", "`NAME` STRING KEY, `A` STRUCT<`TOWN` STRING>, `ID` INT"),
    ("SELECT * FROM S PARTITION BY ABS(ID)", "`KSQL_COL_0` INT KEY, `NAME` STRING, `A` STRUCT<`TOWN` STRING>, `ID` INT"),
    ("SELECT NAME, ABS(ID) AS X FROM S PARTITION BY ABS(ID)", "`X` INT KEY, `NAME` STRING"),
    ("SELECT ID, A->TOWN FROM S PARTITION BY A->TOWN", "`TOWN` STRING KEY, `ID` INT"),
    ("SELECT ID, NAME FROM S PARTITION BY NULL", "`ID` INT, `NAME` STRING"),
    ("SELECT V, K FROM T PARTITION BY K", "`K` INT KEY, `V` INT"),
    ("SELECT V, K2, K FROM T PARTITION BY K2, K", "`K2` INT KEY, `K` INT KEY, `V` INT"),
])
def test_key_columns(query: str, schema: str) -> None:
    assert made(f"CREATE STREAM OUT AS {query};")[0] == schema


def test_partitioning_by_the_key_changes_nothing() -> None:
    root = made("CREATE STREAM OUT AS SELECT * FROM S PARTITION BY ID;")[1]
    assert isinstance(root, Select)
    assert not isinstance(root.input, Rekey)


def test_partition_by_keeps_rows_without_a_key() -> None:
    root = made("CREATE STREAM OUT AS SELECT * FROM S PARTITION BY NAME;")[1]
    assert isinstance(root, Select)
    assert isinstance(root.input, Rekey)
    assert root.input.keep_null


def test_a_key_named_like_a_pseudo_column_hides_it() -> None:
    world = World()
    world.run(STREAM + "CREATE STREAM OUT AS SELECT * FROM S PARTITION BY ROWTIME;")
    assert schema_text(world.held["OUT"]).startswith("`ROWTIME` BIGINT KEY, ")
    plan = world.query("SELECT ROWTIME, ROWOFFSET FROM OUT EMIT CHANGES;")
    assert isinstance(plan.root, Select)
    assert [c.name for c in plan.root.input.schema.columns] == ["ROWTIME", "ROWOFFSET"]


@pytest.mark.parametrize(("query", "message"), [
    ("SELECT NAME FROM S", "The query used to build `OUT` must include the key column ID in its projection (eg, SELECT ID...)."),
    ("SELECT K, V FROM T", "The query used to build `OUT` must include the key columns K and K2 in its projection (eg, SELECT K, K2...)."),
    ("SELECT NAME AS ID FROM S", "The query used to build `OUT` must include the key column ID"),
    ("SELECT ID, ID AS B, NAME FROM S", "The projection contains a key column (`ID`) more than once, aliased as: ID and B. Use AS_VALUE(ID)"),
    ("SELECT NAME FROM S PARTITION BY ABS(ID)", "The query used to build `OUT` must include the partitioning expression ABS(ID) in its projection"),
    ("SELECT ID FROM S", "The projection contains no value columns."),
    ("SELECT ID, NAME AS X, 1 AS X FROM S", "Duplicate value columns found in schema: `X` INTEGER."),
    ("SELECT ID, NULL AS X FROM S", "Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR)."),
    ("SELECT * FROM S PARTITION BY NULL, ID", "Cannot PARTITION BY multiple columns including NULL."),
    ("SELECT ID, NAME AS X FROM S PARTITION BY X", "PARTITION BY column 'X' cannot be resolved. 'X' must be a column in the source schema"),
    ("SELECT * FROM S PARTITION BY MAP('a':=ID)", "Map keys, including types that contain maps, are not supported"),
    ("SELECT * FROM S LIMIT 3", "A persistent query does not support LIMIT."),
    ("SELECT ID, COUNT(*) FROM S GROUP BY ID", "Invalid result type. Your SELECT query produces a TABLE. Please use CREATE TABLE AS SELECT"),
])
def test_refusals(query: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        made(f"CREATE STREAM OUT AS {query};")
    assert message in str(error.value)
    assert error.value.position is not None
