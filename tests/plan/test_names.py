"""What names mean: columns, aliases, stars, and the names that a result gets."""

from __future__ import annotations

import pytest
from tests.plan.world import World

from penstock.errors import SqlError
from penstock.plan import schema_text

SOURCES = """
CREATE STREAM L (A INT KEY, B INT, C STRUCT<A INT, D STRING>) WITH (KAFKA_TOPIC='l', VALUE_FORMAT='JSON');
CREATE STREAM R (A INT KEY, B INT, E INT) WITH (KAFKA_TOPIC='r', VALUE_FORMAT='JSON');
"""


def world() -> World:
    made = World()
    made.run(SOURCES)
    return made


def columns(select: str) -> list[str]:
    """The names of a push query's columns."""
    return [c.name for c in world().query(f"{select} EMIT CHANGES;").output]


JOIN = "FROM L JOIN R WITHIN 1 HOUR ON L.A = R.A"


@pytest.mark.parametrize(("select", "names"), [
    ("SELECT * FROM L", ["A", "B", "C"]),
    ("SELECT X.* FROM L X", ["A", "B", "C"]),
    ("SELECT B, * FROM R", None),
    ("SELECT A, A + 1, B, A + 2 FROM L", ["A", "KSQL_COL_0", "B", "KSQL_COL_1"]),
    ("SELECT C->D FROM L", ["D"]),
    ("SELECT C->A FROM L", ["A_1"]),  # A is a column already
    ("SELECT C->* FROM L", ["A_1", "D"]),
    ("SELECT ROWTIME, ROWPARTITION, ROWOFFSET FROM L", ["ROWTIME", "ROWPARTITION", "ROWOFFSET"]),
    (f"SELECT * {JOIN}", ["L_A", "L_B", "L_C", "R_A", "R_B", "R_E"]),
    (f"SELECT R.*, L.B {JOIN}", ["R_A", "R_B", "R_E", "L_B"]),
    (f"SELECT L.A, E, R.E AS F {JOIN}", ["L_A", "E", "F"]),  # only a name that both sides have gets its source's name
])
def test_result_names(select: str, names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(SqlError, match="Duplicate columns in the SELECT: `B`"):
            columns(select)
    else:
        assert columns(select) == names


def test_generated_names_keep_clear_of_the_sources() -> None:
    made = World()
    made.run("CREATE STREAM S (KSQL_COL_0 INT, KSQL_COL_2 INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
    plan = made.query("SELECT KSQL_COL_0 + 1, KSQL_COL_0 + 2 FROM S EMIT CHANGES;")
    assert [c.name for c in plan.output] == ["KSQL_COL_1", "KSQL_COL_3"]


@pytest.mark.parametrize(("select", "message"), [
    ("SELECT X FROM L", "Line 1:8: SELECT column 'X' cannot be resolved. There are A, B, C."),
    ("SELECT BB FROM L", "Line 1:8: SELECT column 'BB' cannot be resolved. Did you mean B?"),
    ("SELECT A FROM LL", "Line 1:15: LL does not exist. Did you mean L?"),
    ("SELECT X.A FROM L", "Line 1:8: 'X' is not a valid stream/table name or alias. The query reads L."),
    (f"SELECT B {JOIN}", "Line 1:8: Column 'B' is ambiguous. Write L.B or R.B."),
    ("SELECT A AS ROWTIME FROM L", "Line 1:8: `ROWTIME` is a reserved column name. You cannot use it as an alias for a column. Take another alias."),
    ("SELECT C->X FROM L", "Line 1:8: Could not find field 'X' in 'C'. There are A, D."),
    ("SELECT B->X FROM L", "Line 1:8: Expected STRUCT type, got: INTEGER: B has no field 'X'. -> reads a field of a STRUCT."),
    ("SELECT WONT_FIND(A) FROM L", "Line 1:8: Can't find any functions with the name 'WONT_FIND'."),
    ("SELECT LCAS(A) FROM L", "Line 1:8: Can't find any functions with the name 'LCAS'. Did you mean LCASE"),
    ("SELECT A FROM L WHERE MIN(B) > 1", "Line 1:23: WHERE does not support aggregate functions: MIN is one. Use HAVING for conditions on it."),
    ("SELECT WINDOWSTART FROM L", "Line 1:8: SELECT column 'WINDOWSTART' cannot be resolved."),
])
def test_unknown_names(select: str, message: str) -> None:
    with pytest.raises(SqlError) as error:
        world().query(f"{select} EMIT CHANGES;")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_persistent_query_takes_no_pseudo_column_without_an_alias() -> None:
    with pytest.raises(SqlError, match="Reserved column name in select: `ROWTIME`"):
        world().plan("CREATE STREAM S AS SELECT A, ROWTIME FROM L;")
    made = world()
    made.plan("CREATE STREAM S AS SELECT A, ROWTIME AS T FROM L;")
    assert schema_text(made.held["S"]) == "`A` INT KEY, `T` BIGINT"


def test_only_the_columns_that_are_read_are_decoded() -> None:
    from penstock.plan.steps import Select, Source, StreamStreamJoin

    root = world().query(f"SELECT L.B, R.ROWTIME {JOIN} WHERE R.E > 1 EMIT CHANGES;").root
    assert isinstance(root, Select)
    join = root.input.input  # type: ignore[attr-defined]  # below the filter
    assert isinstance(join, StreamStreamJoin)
    assert isinstance(join.left, Source)
    assert isinstance(join.right, Source)
    assert [c.name for c in join.left.schema.columns] == ["L.A", "L.B"]
    assert [c.name for c in join.right.schema.columns] == ["R.A", "R.E", "R.ROWTIME"]
    assert (join.left.pseudo, join.right.pseudo) == ((), ("ROWTIME",))
    assert [c.name for c in join.left.columns.columns] == ["A", "B", "C"]
