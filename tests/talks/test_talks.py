"""The SQL of four talks, fed and run from end to end: what comes out is what plain Python makes of the same records.

The fifth talk, of the houseplants, is a pipeline of its own (`pipelines/houseplants`). Connectors, which need what they connect to, are parsed only.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.talks.texts import statements

import penstock
from penstock.registry.model import Schema
from penstock.sql import ast
from penstock.sql.parser import parse_one

T0 = 1_700_000_000_000 // 86_400_000 * 86_400_000


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect() as database:
        yield database


def run(db: penstock.Database, talk: str) -> list[str]:
    """Run a talk's statements that make or show something; return its queries, which are asked when it is fed."""
    queries = []
    for statement in statements(talk):
        match parse_one(statement):
            case ast.Query() | ast.RawQuery():
                queries.append(statement)
            case ast.CreateConnector():
                pass
            case _:
                db.execute(statement)
    return queries


def asked(db: penstock.Database, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.query(sql).fetchall()]


def settle(db: penstock.Database) -> None:
    assert db.wait_idle(60)
    assert asked(db, "SELECT reason FROM PROCESSING_LOG;") == []


def pushed(db: penstock.Database, sql: str, enough: Callable[[list[tuple[Any, ...]]], bool]) -> list[tuple[Any, ...]]:
    """The rows of a push query until there are enough."""
    rows: list[tuple[Any, ...]] = []
    until = time.monotonic() + 60
    with db.query(sql, timeout=20) as query:
        for row in query:
            rows.append(tuple(row))
            if enough(rows) or time.monotonic() > until:
                break
    return rows


# ---------------------------------------------------------------------------------------------- the four talks


def test_car_parks(db: penstock.Database) -> None:
    spaces, nearest, free, occupancy = run(db, "carparks")
    places = {
        "WESTGATE": (53.7949, -1.7643), "BROADWAY": (53.7942, -1.7501), "KIRKGATE CENTRE": (53.7930, -1.7540), "SHARPE STREET": (53.79, -1.76),
    }  # fmt: skip
    chance = random.Random(17)
    events: list[dict[str, Any]] = [
        {"NAME": name, "SPACES": chance.choice([0, 42, 98, 474, 921]), "CAPACITY": 1132, "LATITUDE": lat, "LONGITUDE": lon,
         "ROWTIME": T0 + n * 120_000}
        for n in range(30) for name, (lat, lon) in places.items()
    ]  # fmt: skip
    events += [{**events[0], "SPACES": 42, "ROWTIME": T0 + 3_700_000}, {**events[1], "SPACES": 0, "ROWTIME": T0 + 3_700_000}]
    db.insert("CARPARK_EVENTS", events)
    db.insert("mySource", [{"DATE": "2020-10-14", "TIME": "12:28", "NAME": "Broadway", "CAPACITY": 1132}])
    settle(db)

    latest = {event["NAME"]: event["SPACES"] for event in events}
    assert asked(db, spaces) == [(42,)]
    near = sorted((abs(lat - 53.7950) + abs(lon + 1.75), name) for name, (lat, lon) in places.items() if latest[name])
    assert asked(db, nearest) == [(near[0][1], latest[near[0][1]])]
    expected = [(e["NAME"], e["SPACES"]) for e in events if e["SPACES"] > 100]
    assert pushed(db, free, lambda rows: len(rows) == len(expected)) == expected
    assert asked(db, "SELECT * FROM myTargetStream;") == [("2020-10-14", "12:28", "Broadway", 1132)]

    windows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        quarter = (event["ROWTIME"] - T0) // 900_000
        windows[f"{quarter // 4:02}:{quarter % 4 * 15:02}", event["NAME"]].append(event["SPACES"])
    wanted = {place: sum(seen) / len(seen) for place, seen in windows.items()}
    rows = pushed(db, occupancy, lambda rows: {row[:2]: row[2] for row in rows} == pytest.approx(wanted))
    assert {row[:2]: row[2] for row in rows} == pytest.approx(wanted)


def test_socks(db: penstock.Database) -> None:
    db.log.create_topic("data_mqtt", 1)
    (pairs,) = run(db, "socks")
    chance = random.Random(5)
    found: list[dict[str, Any]] = [
        {"image": chance.choice(["blank", "Mongo", "Google", "Confluent"]), "probability": chance.uniform(37, 98), "ROWTIME": T0 + n * 300}
        for n in range(200)
    ]
    db.insert("sock_stream", found)
    settle(db)

    windows = Counter((row["image"], row["ROWTIME"] // 5000 * 5000) for row in found)
    smoothed = {key: key[1] for key, count in windows.items() if count > 3}
    hour = {start: f"12:{start // 60_000 % 60:02}:{start // 1000 % 60:02}" for start in smoothed.values()}
    assert {(image, start): (seen, made) for image, start, _, seen, made in asked(db, "SELECT * FROM sock_stream_smoothed;")} == {
        key: (hour[start], start) for key, start in smoothed.items()
    }
    assert asked(db, "SELECT * FROM sock_stream_without_blanks;") == [(r["image"],) for r in found if r["image"] != "blank"]
    counts = Counter(image for image, _ in smoothed)
    wanted = {image: ("Pair" if count % 2 == 0 else "Un-matched", count) for image, count in counts.items()}
    rows = pushed(db, pairs, lambda rows: {row[0]: row[1:] for row in rows} == wanted)
    assert {row[0]: row[1:] for row in rows} == wanted
    shown = db.execute("print 'data_mqtt' from beginning limit 2;")[0]
    assert [json.loads(row[-1])["IMAGE"] for row in shown.rows] == [r["image"] for r in found[:2]]


ENTRY = {
    "doc": "Contains individual survey entries for a user and survey question.",
    "fields": [
        {"name": "survey_id", "type": "string"}, {"name": "user_id", "type": "string"}, {"name": "name", "type": "string"},
        {"default": None, "name": "company", "type": ["null", "string"]}, {"default": None, "name": "location", "type": ["null", "string"]},
        {"name": "question", "type": "string"}, {"name": "response", "type": "string"},
    ],
    "name": "surveyEntry", "namespace": "survey.bot", "type": "record",
}  # fmt: skip
QUESTION = {
    "doc": "Details for a single question survey.",
    "fields": [
        {"name": "survey_id", "type": "string"}, {"name": "question", "type": "string"}, {"name": "summary", "type": "string"},
        {"name": "options", "type": {"items": "string", "type": "array"}}, {"name": "enabled", "type": "boolean"},
    ],
    "name": "surveyQuestion", "namespace": "survey.bot", "type": "record",
}  # fmt: skip


def registered(db: penstock.Database, topic: str, schema: dict[str, Any]) -> None:
    db.log.create_topic(topic, 1)
    db.schemas.register(f"{topic}-value", Schema(json.dumps(schema), "AVRO"))


def test_survey(db: penstock.Database) -> None:
    registered(db, "survey-entries", ENTRY)
    registered(db, "survey-questions", QUESTION)
    assert run(db, "survey") == []
    chance = random.Random(11)
    pies = ["Pumpkin Pie", "Pecan Pie", "Apple Pie", "Thanksgiving Leftover Pot Pie", "Other"]
    day = 86_400_000
    entries: list[dict[str, Any]] = [
        {"SURVEY_ID": "1", "USER_ID": f"u{n}", "NAME": f"name {n}", "COMPANY": chance.choice([None, "Confluent"]), "LOCATION": None,
         "QUESTION": chance.choice(["Which pie?", "Which drink?"]), "RESPONSE": chance.choice(pies), "ROWTIME": T0 + n * day // 20}
        for n in range(100)
    ]  # fmt: skip
    db.insert("survey_entries", entries)
    db.insert("survey_questions", [
        {"ID": "1", "SURVEY_ID": "1", "QUESTION": "Which pie?", "SUMMARY": "Thanksgiving Pie", "OPTIONS": pies, "ENABLED": True}
    ])  # fmt: skip
    settle(db)

    fields = ("USER_ID", "NAME", "COMPANY", "LOCATION")
    assert asked(db, "SELECT * FROM survey_respondents;") == [tuple(e[f] for f in fields) for e in entries]
    assert asked(db, "SELECT * FROM survey_responses;") == [(e["USER_ID"], e["SURVEY_ID"], e["RESPONSE"]) for e in entries]
    assert asked(db, "SELECT options FROM survey_questions WHERE id = '1';") == [(pies,)]
    live: dict[str, Counter[str]] = defaultdict(Counter)
    final: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for entry in entries:
        live[entry["QUESTION"]][entry["RESPONSE"]] += 1
        final[entry["QUESTION"], entry["ROWTIME"] // (2 * day) * 2 * day][entry["RESPONSE"]] += 1
    assert dict(asked(db, "SELECT * FROM survey_results_live;")) == live
    # EMIT FINAL: of the windows, those whose end and grace period the last entry's time has passed
    closed = {key: counts for key, counts in final.items() if key[1] + 2 * day + 600_000 <= entries[-1]["ROWTIME"]}
    assert closed
    records = db.log.read("survey-results-final", 0, 0)
    assert records.num_rows == len(closed)
    found = asked(db, "SELECT question, WINDOWSTART, results FROM survey_results_final;")
    assert {(question, start): counts for question, start, counts in found if (question, start) in closed} == closed


RATING = {
    "name": "rating", "type": "record",
    "fields": [
        {"name": "rating_id", "type": "long"}, {"name": "user_id", "type": "int"}, {"name": "stars", "type": "int"},
        {"name": "route_id", "type": "int"}, {"name": "rating_time", "type": "long"}, {"name": "channel", "type": "string"},
        {"name": "message", "type": "string"},
    ],
}  # fmt: skip
CUSTOMER = {
    "name": "customer", "type": "record",
    "fields": [{"name": n, "type": "string"} for n in ("first_name", "last_name", "email", "gender", "club_status", "comments")],
}  # fmt: skip


def test_ratings(db: penstock.Database) -> None:
    registered(db, "ratings", RATING)
    registered(db, "customers", CUSTOMER)
    heavy, per_line, warm, joined = run(db, "ratings")
    widgets: list[dict[str, Any]] = [
        {"SENSOR_ID": f"aa-{n % 3}", "PRODUCTION_LINE": f"w{n % 2}", "WIDGET_TYPE": "acme94", "TEMP_CELCIUS": 17 + n, "WEIGHT_G": 100 + 7 * n}
        for n in range(6)
    ]
    db.insert("WIDGETS", widgets)
    customers: list[dict[str, Any]] = [
        {"ID": n, "FIRST_NAME": f"Merilyn {n}", "LAST_NAME": "Doughartie", "EMAIL": f"m{n}@dedecms.com", "GENDER": "Female",
         "CLUB_STATUS": ("bronze", "platinum")[n % 2], "COMMENTS": "none"}
        for n in range(1, 6)
    ]  # fmt: skip
    db.insert("CUSTOMERS", customers)
    chance = random.Random(3)
    ratings: list[dict[str, Any]] = [
        {"RATING_ID": 5313 + n, "USER_ID": chance.randint(1, 7), "STARS": chance.randint(1, 5), "ROUTE_ID": 6975, "RATING_TIME": T0, "CHANNEL": "web",
         "MESSAGE": "worst. flight. ever. #neveragain", "ROWTIME": T0 + n * 7_000}
        for n in range(60)
    ]  # fmt: skip
    db.insert("RATINGS", ratings)
    settle(db)

    assert asked(db, heavy) == [tuple(w.values()) for w in widgets if w["WEIGHT_G"] > 120]
    assert sorted(asked(db, per_line)) == [(3,), (3,)]
    means = [sum(w["TEMP_CELCIUS"] for w in widgets if w["SENSOR_ID"] == f"aa-{n}") / 2 for n in range(3)]
    assert sorted(asked(db, warm)) == sorted((mean,) for mean in means if mean > 20)
    assert len(asked(db, "SELECT * FROM POOR_RATINGS;")) == sum(r["STARS"] < 3 for r in ratings)
    by_id = {c["ID"]: c for c in customers}
    none = dict.fromkeys(customers[0])
    both = [(r, by_id.get(r["USER_ID"], none)) for r in ratings]
    # a LEFT JOIN's key is what the left side asks for, whether the right side has it or not
    expected = [(r["USER_ID"], r["RATING_ID"], r["STARS"], r["MESSAGE"], c["EMAIL"], c["CLUB_STATUS"]) for r, c in both]
    assert sorted(asked(db, "SELECT * FROM RATINGS_WITH_CUSTOMER_DATA;")) == sorted(expected, key=lambda row: (row[0], row[1]))
    assert {row[1] for row in asked(db, "SELECT * FROM UNHAPPY_PLATINUM_CUSTOMERS;")} == {r["RATING_ID"] for r in ratings if r["STARS"] < 3}
    per_status = Counter((c["CLUB_STATUS"], r["ROWTIME"] // 60_000 * 60_000) for r, c in both if c["CLUB_STATUS"])
    found = asked(db, "SELECT CLUB_STATUS, WINDOWSTART, KSQL_COL_0 FROM RATINGS_BY_CLUB_STATUS;")
    assert {(status, start): count for status, start, count in found} == per_status
    rows = pushed(db, joined, lambda rows: len(rows) == len(ratings))
    assert [(row[0], row[2], row[-2]) for row in rows] == [(r["RATING_ID"], r["STARS"], c["CLUB_STATUS"]) for r, c in both]
