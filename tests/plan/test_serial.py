"""Plans as text and back."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal

import pytest
from tests.plan.world import World

from penstock.errors import StorageError
from penstock.plan import expressions as ex
from penstock.plan import from_json, to_json
from penstock.sql.types import BYTES, DATE, DOUBLE, INTEGER, STRING, TIME, TIMESTAMP
from penstock.sql.types import Decimal as DecimalType


@pytest.mark.parametrize("literal", [
    ex.Literal(INTEGER, None), ex.Literal(INTEGER, -7), ex.Literal(DOUBLE, 0.1), ex.Literal(DOUBLE, 4.9e-324), ex.Literal(DOUBLE, float("inf")),
    ex.Literal(DecimalType(5, 3), Decimal("1.500")), ex.Literal(STRING, "ü\n'\"\x00"),
    ex.Literal(BYTES, b"\x00\xff"), ex.Literal(DATE, date(2020, 2, 29)),
    ex.Literal(TIME, time(1, 2, 3, 456000)), ex.Literal(TIMESTAMP, datetime(2020, 1, 2, 3, 4, 5, 678000)),
])  # fmt: skip
def test_constants_survive_exactly(literal: ex.Literal) -> None:
    back = from_json(to_json(literal))
    assert back == literal
    assert type(back.value) is type(literal.value)
    assert str(back.value) == str(literal.value)


def test_plans_survive_exactly() -> None:
    world = World()
    world.run("""CREATE STREAM S (ID INT KEY, V INT, M MAP<STRING, INT>, L ARRAY<STRUCT<X INT>>, TS STRING, H BYTES HEADER('h'))
        WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON', TIMESTAMP='TS', TIMESTAMP_FORMAT='yyyy');""")
    world.run("CREATE TABLE T (ID INT PRIMARY KEY, D DECIMAL(4, 2)) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='AVRO');")
    plans = [
        world.plan("""CREATE TABLE OUT WITH (FORMAT='AVRO') AS SELECT S.ID AS ID, SUM(D + 1.5) AS N,
            COLLECT_LIST(CASE WHEN V IN (1, 2) THEN 'a' END) AS C
            FROM S LEFT JOIN T ON S.ID = T.ID WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 1 MINUTE, GRACE PERIOD 1 DAY)
            WHERE S.ROWTIME > '2020-01-01' AND NOT V BETWEEN 1 AND 3 GROUP BY S.ID HAVING COUNT(*) > 1 EMIT FINAL;"""),
        world.plan("CREATE STREAM OUT2 AS SELECT ID, TRANSFORM(M, (k, v) => k, (k, v) => v + 1) AS M, EXPLODE(L)->X AS X, H FROM S;"),
    ]
    query = world.query("SELECT * FROM OUT WHERE ID IN (1, 2) AND WINDOWSTART >= 5;")
    for plan in [*plans, query, *world.held.values()]:
        text = to_json(plan)
        assert from_json(text) == plan
        assert to_json(from_json(text)) == text
        json.loads(text)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "plan": {"": "steps.Nothing"}}', '{"version": 99, "plan": null}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(StorageError):
        from_json(text)
