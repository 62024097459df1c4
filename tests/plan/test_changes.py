"""ALTER and CREATE OR REPLACE."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.catalog.model import DataSource
from penstock.errors import SqlError
from penstock.plan import check_replace, schema_text
from penstock.plan.steps import Sink

SOURCES = """
CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');
CREATE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE SOURCE TABLE RO (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');
CREATE STREAM Q AS SELECT * FROM S;
"""


def world() -> World:
    made = World()
    made.run(SOURCES)
    return made


def test_alter_adds_columns_to_the_end() -> None:
    made = world()
    made.run("ALTER STREAM S ADD COLUMN W STRING, ADD COLUMN X ARRAY<INT>;")
    assert schema_text(made.held["S"]) == "`ID` INT KEY, `V` INT, `W` STRING, `X` ARRAY<INT>"


@pytest.mark.parametrize(("statement", "message"), [
    ("ALTER STREAM X ADD COLUMN W INT;", "Stream X does not exist."),
    ("ALTER STREAM T ADD COLUMN W INT;", "Incompatible data source type is TABLE, but statement was ALTER STREAM. Use ALTER TABLE."),
    ("ALTER TABLE RO ADD COLUMN W INT;", "Cannot alter table 'RO': ALTER operations are not supported on source tables."),
    ("ALTER STREAM Q ADD COLUMN W INT;", "the query CSAS_Q_1 gives it its columns."),
    ("ALTER STREAM S ADD COLUMN V INT;", "Cannot add column `V` to schema. A column with the same name already exists."),
    ("ALTER STREAM S ADD COLUMN ROWTIME INT;", "'ROWTIME' is a reserved column name."),
])
def test_alter_refusals(statement: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        world().run(statement)
    assert message in str(error.value)


def sources(statement: str) -> tuple[DataSource, DataSource]:
    """A source before and after CREATE OR REPLACE."""
    made = world()
    new = World().run(statement)[-1]
    assert isinstance(new, DataSource)
    return made.held[new.name], new


def test_a_source_may_gain_columns() -> None:
    check_replace(*sources("CREATE STREAM S (ID INT KEY, V INT, W STRING) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');"))


@pytest.mark.parametrize(("statement", "message"), [
    ("CREATE STREAM S (ID INT KEY) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');", "changed, missing or reordered: [`V` INTEGER]."),
    ("CREATE STREAM S (ID INT KEY, V BIGINT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');", "changed, missing or reordered: [`V` INTEGER]."),
    ("CREATE STREAM S (K INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');", "its key would change from (`ID` INTEGER) to (`K` INTEGER)."),
    ("CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='x', VALUE_FORMAT='JSON');", "its topic would change."),
    ("CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='AVRO');", "its value format would change."),
    ("CREATE STREAM T (ID INT KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "A table with the same name already exists."),
    ("CREATE TABLE RO (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');", "CREATE OR REPLACE is not supported on source tabl"),
])  # fmt: skip
def test_source_refusals(statement: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        check_replace(*sources(statement))
    assert message in str(error.value)


def plans(kind: str, before: str, after: str) -> tuple[Sink, Sink]:
    return world().plan(f"CREATE {kind} OUT AS {before};"), world().plan(f"CREATE {kind} OUT AS {after};")


@pytest.mark.parametrize(("kind", "before", "after"), [
    ("STREAM", "SELECT * FROM S", "SELECT * FROM S WHERE V > 1"),
    ("STREAM", "SELECT ID, V FROM S WHERE V > 1", "SELECT ID, V, V + 1 AS W FROM S WHERE V > 2"),
    ("TABLE", "SELECT ID, COUNT(*) AS N FROM S GROUP BY ID", "SELECT ID, COUNT(*) AS N FROM S WHERE V > 1 GROUP BY ID HAVING COUNT(*) > 2"),
])
def test_a_query_may_change_its_filters_and_gain_columns(kind: str, before: str, after: str) -> None:
    check_replace(*plans(kind, before, after))


@pytest.mark.parametrize(("kind", "before", "after", "message"), [
    ("STREAM", "SELECT * FROM S", "SELECT ID, V + 1 AS W FROM S", "changed, missing or reordered: [`V` INTEGER]."),
    ("STREAM", "SELECT * FROM S", "SELECT * FROM Q", "its sources, joins, groups, aggregates or windows would change"),
    ("TABLE", "SELECT ID, COUNT(*) AS N FROM S GROUP BY ID", "SELECT ID, COUNT(V) AS N FROM S GROUP BY ID", "its sources, joins, groups, aggregates"),
    ("TABLE", "SELECT ID, COUNT(*) AS N FROM S GROUP BY ID", "SELECT ID, COUNT(*) AS N FROM S WINDOW SESSION (1 HOUR) GROUP BY ID", "its window wou"),
])  # fmt: skip
def test_query_refusals(kind: str, before: str, after: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        check_replace(*plans(kind, before, after))
    assert message in str(error.value)


def test_a_query_and_a_source_do_not_replace_each_other() -> None:
    made = world()
    with pytest.raises(SqlError, match="cannot be replaced by a query"):
        check_replace(made.held["S"], made.plan("CREATE STREAM S2 AS SELECT * FROM S;"))
