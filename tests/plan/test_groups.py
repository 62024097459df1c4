"""GROUP BY, HAVING, windows, EMIT FINAL and table functions."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import explain, schema_text
from penstock.plan.explanation import inputs
from penstock.plan.steps import Aggregate, Rekey, Step, WindowedKey

SOURCES = """
CREATE STREAM S (ID INT KEY, NAME STRING, V INT, L ARRAY<INT>) WITH (KAFKA_TOPIC='s', FORMAT='JSON');
CREATE STREAM BARE (V INT) WITH (KAFKA_TOPIC='bare', VALUE_FORMAT='KAFKA');
CREATE STREAM FLAT (K INT KEY, V INT) WITH (KAFKA_TOPIC='flat', VALUE_FORMAT='DELIMITED');
CREATE TABLE T (ID INT PRIMARY KEY, NAME STRING, V INT) WITH (KAFKA_TOPIC='t', FORMAT='JSON');
"""


def world() -> World:
    made = World()
    made.run(SOURCES)
    return made


def table(query: str) -> tuple[str, Step]:
    """The schema of the table OUT of a query, and its plan below the sink."""
    made = world()
    plan = made.plan(f"CREATE TABLE OUT AS {query};")
    return schema_text(made.held["OUT"]), plan.input


def steps_of(step: Step) -> list[Step]:
    return [step, *(below for part in inputs(step) for below in steps_of(part))]


@pytest.mark.parametrize(("query", "schema"), [
    ("SELECT ID, COUNT(*) FROM S GROUP BY ID", "`ID` INT KEY, `KSQL_COL_0` BIGINT"),
    ("SELECT ID, MAX(*) AS M, COLLECT_LIST() AS L FROM S GROUP BY ID", "`ID` INT KEY, `M` BIGINT, `L` ARRAY<BIGINT>"),
    ("SELECT NAME AS K, SUM(V) AS TOTAL FROM S GROUP BY NAME", "`K` STRING KEY, `TOTAL` INT"),
    ("SELECT V, NAME, V + 1, COUNT() FROM S GROUP BY NAME, V", "`NAME` STRING KEY, `V` INT KEY, `KSQL_COL_0` INT, `KSQL_COL_1` BIGINT"),
    ("SELECT LEN(NAME), MAX(V + 1) FROM S GROUP BY LEN(NAME)", "`KSQL_COL_0` INT KEY, `KSQL_COL_1` INT"),
    ("SELECT 1 AS K, COUNT(1) AS N FROM S GROUP BY 1", "`K` INT KEY, `N` BIGINT"),
    ("SELECT NAME, LEN(NAME) AS LEN FROM S GROUP BY NAME HAVING COUNT(*) = 2", "`NAME` STRING KEY, `LEN` INT"),
    ("SELECT ID, WINDOWSTART AS W, COUNT(*) * WINDOWEND AS X FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY ID",
     "`ID` INT KEY, `W` BIGINT, `X` BIGINT"),
    ("SELECT NAME, COUNT(*) AS N FROM T GROUP BY NAME", "`NAME` STRING KEY, `N` BIGINT"),
])  # fmt: skip
def test_result_columns(query: str, schema: str) -> None:
    assert table(query)[0] == schema


def test_rows_are_repartitioned_only_where_the_key_changes() -> None:
    assert not any(isinstance(s, Rekey) for s in steps_of(table("SELECT ID, COUNT(*) FROM S GROUP BY ID")[1]))
    assert any(isinstance(s, Rekey) for s in steps_of(table("SELECT NAME, COUNT(*) FROM S GROUP BY NAME")[1]))


def test_arguments_are_computed_before_the_aggregation_and_each_call_once() -> None:
    _, root = table("SELECT NAME, SUM(V * 2) AS A, SUM(V * 2) + MAX(V) AS B, TOPK(V, 3) AS C FROM S GROUP BY NAME")
    aggregate = next(s for s in steps_of(root) if isinstance(s, Aggregate))
    assert [a.name for a in aggregate.aggregates] == ["SUM", "MAX", "TOPK"]
    assert "(V * 2) as KSQL_ARGUMENT_0" in explain(root)


def test_final_results_come_before_having() -> None:
    _, root = table("SELECT ID, COUNT(*) FROM S WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 10 MINUTES) GROUP BY ID HAVING COUNT(*) > 1 EMIT FINAL")
    assert [type(s).__name__ for s in steps_of(root)] == ["Select", "Filter", "Suppress", "Aggregate", "Source"]


def test_a_windowed_table_has_a_windowed_key() -> None:
    made = world()
    made.plan("CREATE TABLE OUT AS SELECT ID, COUNT(*) FROM S WINDOW SESSION (5 MINUTES) GROUP BY ID;")
    assert made.held["OUT"].window == WindowedKey("SESSION")


def test_a_windowed_source_is_grouped_anew() -> None:
    made = world()
    made.plan("CREATE TABLE OUT AS SELECT ID, COUNT(*) AS N FROM S WINDOW TUMBLING (SIZE 5 SECONDS) GROUP BY ID;")
    plan = made.query("SELECT ID, COUNT(*) FROM OUT GROUP BY ID EMIT CHANGES;")
    assert any(isinstance(s, Rekey) for s in steps_of(plan.root))


def test_having_knows_the_names_of_the_select_list() -> None:
    plan = world().query("SELECT AVG(V) AS TEMP FROM S GROUP BY NAME HAVING TEMP > 20 EMIT CHANGES;")
    assert "filter (KSQL_AGG_0 > 20.0E0)" in explain(plan)


def test_a_push_query_aggregates_without_groups() -> None:
    plan = world().query("SELECT COUNT(*) AS N, SUM(V) FROM S EMIT CHANGES;")
    assert [c.name for c in plan.output] == ["N", "KSQL_COL_0"]
    assert "rekey by nothing" in explain(plan)


def test_table_functions_stand_side_by_side() -> None:
    made = world()
    plan = made.plan("CREATE STREAM OUT AS SELECT ID, EXPLODE(L) AS A, V + EXPLODE(L) AS B FROM S;")
    assert schema_text(made.held["OUT"]) == "`ID` INT KEY, `A` INT, `B` INT"
    assert "explode EXPLODE(L) as KSQL_ITEM_0, EXPLODE(L) as KSQL_ITEM_1" in explain(plan)


@pytest.mark.parametrize(("query", "message"), [
    ("SELECT NAME, V, COUNT(*) FROM S GROUP BY NAME", "Non-aggregate SELECT expression(s) not part of GROUP BY: V. Either add the column(s)"),
    ("SELECT NAME + 'a', COUNT(*) FROM S GROUP BY 'a' + NAME", "Non-aggregate SELECT expression(s) not part of GROUP BY: (NAME + 'a')."),
    ("SELECT NAME, COUNT(*) FROM S GROUP BY NAME HAVING V > 1", "Non-aggregate HAVING expression not part of GROUP BY: (V > 1)."),
    ("SELECT NAME, V FROM S GROUP BY NAME, V", "GROUP BY requires aggregate functions in either the SELECT or HAVING clause."),
    ("SELECT NAME FROM S GROUP BY NAME HAVING COUNT(*) > 1", "The projection contains no value columns."),
    ("SELECT COUNT(*) FROM S GROUP BY NAME", "must include the grouping expression NAME in its projection (eg, SELECT NAME...)."),
    ("SELECT COUNT(*) FROM S", "CREATE TABLE AS SELECT statement does not support aggregate function [COUNT()] without a GROUP BY clause."),
    ("SELECT NAME, SUM(COUNT(*)) FROM S GROUP BY NAME", "Aggregate functions can not be nested"),
    ("SELECT COUNT(*) FROM S GROUP BY 1 + SUM(V)", "GROUP BY does not support aggregate functions: SUM is an aggregate function."),
    ("SELECT ID, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY ID, WINDOWSTART", "Window bounds column WINDOWSTART can only"),
    ("SELECT ID, COUNT(*) FROM S GROUP BY ID EMIT FINAL", "EMIT FINAL is only supported for windowed aggregations."),
    ("SELECT ID, EXPLODE(L), COUNT(*) FROM S GROUP BY ID", "Table functions cannot be used with aggregations."),
    ("SELECT V, COUNT(*) FROM BARE GROUP BY V", "Source(s) BARE are using the 'KAFKA' value format. This format does not yet support GROUP BY."),
    ("SELECT ID, CORRELATION(*) FROM S GROUP BY ID", "CORRELATION does not take ()."),
    ("SELECT K, AVG(V) FROM FLAT GROUP BY K", "One of the functions used in the statement has an intermediate type"),
    ("SELECT NAME, MAX(V) FROM T GROUP BY NAME", "The aggregation function(s) (MAX) cannot be applied to a table source, only to a stream source."),
    ("SELECT ID, COUNT(*) FROM T WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY ID", "WINDOW clause is only supported for streams"),
    ("SELECT ID, EXPLODE(ARRAY[V]) FROM T", "Table source is not supported with table functions."),
    ("SELECT ID, COUNT(*) FROM S WINDOW TUMBLING (SIZE 1 HOUR, RETENTION 1 MINUTE) GROUP BY ID", "shorter than its size and grace period together"),
    ("SELECT NAME, SUM(NAME) FROM S GROUP BY NAME", "SUM takes a number, but NAME is a STRING. Cast it, or use COUNT."),
])  # fmt: skip
def test_refusals(query: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        table(query)
    assert message in str(error.value)
    assert error.value.position is not None
