"""Lookups and pictures: pull queries with what people type as parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from tests.bots.plants import say, told

import penstock
from penstock.bots import (
    Action,
    AnswerError,
    Argument,
    Bars,
    Bot,
    Chart,
    Lines,
    Location,
    Lookup,
    Message,
    Picture,
    Reply,
    Turn,
)  # fmt: skip
from penstock.bots.charts import chart_text, png
from penstock.errors import ConfigError

CARPARKS = [("Westgate", 42, 53.80, -1.55), ("Kirkgate Centre", 7, 53.79, -1.75), ("Sainsbury's", 0, 53.70, -1.60)]
SPACES = Lookup(
    "spaces",
    "How many spaces are free",
    "SELECT name, spaces FROM carparks WHERE name = :name;",
    "There are {SPACES} spaces free at {NAME}.",
    [Argument("name", choices_from="SELECT name FROM carparks;")],
    none="There is no {name}.",
)
NEAREST = Lookup(
    "nearest",
    "The nearest car parks with spaces",
    """SELECT name, spaces, sqrt(pow(lat - :latitude, 2) + pow((lon - :longitude) * 0.6, 2)) * 111 AS km
       FROM carparks WHERE spaces >= :spaces ORDER BY km LIMIT 2;""",
    "{NAME}: {SPACES} spaces, {KM:.1f} km",
    [Argument("spaces", "INT", default=1, minimum=1)],
    heading="Near you, with {spaces} or more:",
    none="None has {spaces}.",
    takes_location=True,
)


@pytest.fixture
def parks() -> Iterator[penstock.Database]:
    with penstock.connect(":memory:") as db:
        db.execute("""CREATE TABLE carparks (name STRING PRIMARY KEY, spaces INT, lat DOUBLE, lon DOUBLE)
                      WITH (kafka_topic='carparks', value_format='JSON', partitions=1);""")
        db.insert("carparks", [{"name": n, "spaces": s, "lat": a, "lon": o} for n, s, a, o in CARPARKS])
        yield db


def test_a_lookup_answers_from_the_database(parks: penstock.Database) -> None:
    bot = Bot(parks, "b", [SPACES])
    assert told(bot, "/spaces Westgate") == "There are 42 spaces free at Westgate."
    assert told(bot, "/spaces kirkgate centre") == "There are 7 spaces free at Kirkgate Centre."
    assert told(bot, "/spaces sain") == "There are 0 spaces free at Sainsbury's."
    assert told(bot, "/spaces gate").startswith("“gate” may be several. There are: ")
    assert told(bot, "/spaces Broadway").startswith("“Broadway” is not known here. There are: ")
    assert told(bot, "/spaces") == "Something is missing. Please send /spaces name."


@pytest.mark.parametrize("text", ["' OR '1'='1", "x'; DROP TABLE carparks; --", "${x}", ":name", "{SPACES}", "`", '"a b" c'])
def test_what_people_type_never_becomes_sql_or_a_template(text: str, parks: penstock.Database) -> None:
    free = Lookup("spaces", "", "SELECT name FROM carparks WHERE name = :name;", "{NAME}", [Argument("name")], none="There is no {name}.")
    assert told(Bot(parks, "b", [free]), f"/spaces {text}") == f"There is no {text.replace(chr(34), '')}."
    assert parks.query("SELECT COUNT(*) AS n FROM carparks;").fetchall() == [(3,)]


def test_several_rows_too_many_rows_and_none(parks: penstock.Database) -> None:
    all_of_them = Lookup("all", "", "SELECT name FROM carparks WHERE spaces >= :n ORDER BY name;", "- {NAME}", [Argument("n", "INT", default=0)],
                         heading="From {n} on:", ending="That is all.", rows_max=2)  # fmt: skip
    bot = Bot(parks, "b", [all_of_them])
    assert told(bot, "/all 5") == "From 5 on:\n- Kirkgate Centre\n- Westgate\nThat is all."
    assert told(bot, "/all") == "From 0 on:\n- Kirkgate Centre\n- Sainsbury's\n... and 1 more.\nThat is all."
    assert told(bot, "/all 100") == "Nothing was found."
    assert told(bot, "/all x").startswith("That is no whole number. Please send one, such as 12. Please send /all [n]")


def test_a_location_finds_the_command_that_takes_one(parks: penstock.Database) -> None:
    bot = Bot(parks, "b", [SPACES, NEAREST])
    here = Message(1, location=Location(53.8, -1.55))
    expected = "Near you, with 1 or more:\nWestgate: 42 spaces, 0.0 km\nKirkgate Centre: 7 spaces, 13.4 km"
    assert bot.answer(here)[0].text == expected
    asked = say(bot, "/nearest 10")
    assert asked[0].ask_location
    assert "share your location" in asked[0].text
    assert bot.answer(here)[0].text == "Near you, with 10 or more:\nWestgate: 42 spaces, 0.0 km", "the argument was kept"
    assert bot.answer(here)[0].text == expected
    say(bot, "/nearest 100")
    assert "did not understand" in told(bot, "Leeds")
    say(bot, "/nearest 100")
    assert told(bot, "/spaces Westgate") == "There are 42 spaces free at Westgate.", "another command may be asked meanwhile"
    assert "nothing to cancel" in told(bot, "/cancel")
    assert "nothing of places" in Bot(parks, "c", [SPACES]).answer(here)[0].text


def test_arguments_find_their_words(parks: penstock.Database) -> None:
    seen: list[dict[str, object]] = []
    arguments = [Argument("name", default=None), Argument("spaces", "INT", default=1), Argument("day", "DATE", default=None)]

    def take(turn: Turn, values: Mapping[str, Any]) -> str:
        seen.append(dict(values))
        return "taken"

    bot = Bot(parks, "b", [Action("take", "", take, arguments)])
    for text in ("", "20", "Kirkgate Centre 20", '"Level 3" 2', "2024-02-29", "Broadway 2024-02-29", "Broadway"):
        assert told(bot, f"/take {text}") == "taken"
    assert [(v["name"], v["spaces"], str(v["day"])) for v in seen] == [
        (None, 1, "None"), (None, 20, "None"), ("Kirkgate Centre", 20, "None"), ("Level 3", 2, "None"), (None, 1, "2024-02-29"),
        ("Broadway", 1, "2024-02-29"), ("Broadway", 1, "None"),
    ]  # fmt: skip
    assert "stands alone" in told(Bot(parks, "c", [Action("x", "", lambda turn, values: "x")]), "/x y")
    assert "/take [name] [spaces] [day] - " in told(bot, "/help")


def test_an_action_may_insert_and_refuse(parks: penstock.Database) -> None:
    def close(turn: Turn, values: Mapping[str, Any]) -> Reply:
        raise AnswerError("It is closed already.")

    def insert(turn: Turn, values: Mapping[str, Any]) -> list[str | Reply]:
        turn.insert("carparks", {"name": values["name"], "spaces": 5})
        return ["opened", Reply("!")]

    bot = Bot(parks, "b", [Action("open", "", insert, [Argument("name")]), Action("close", "", close)])
    assert told(bot, "/open Broadway") == "opened\n!"
    assert parks.query("SELECT spaces FROM carparks WHERE name = 'Broadway';").fetchall() == [(5,)]
    assert told(bot, "/close") == "It is closed already."


def test_help_start_and_what_is_not_understood(parks: penstock.Database) -> None:
    bot = Bot(parks, "b", [SPACES, NEAREST], welcome="Good day!")
    lines = ["/spaces name - How many spaces are free", "/nearest [spaces] - The nearest car parks with spaces"]
    listed = "\n".join([*lines, "/cancel - end a conversation", "/help - this list"])
    assert told(bot, "/help") == listed
    assert told(bot, "/start") == f"Good day!\n\n{listed}"
    assert told(bot, "/spacs Westgate") == "There is no command /spacs. Did you mean /spaces? /help lists what I know."
    assert told(bot, "hello") == "I did not understand that. /help lists what I know."
    assert bot.answer(Message(1)) == (Reply("I did not understand that. /help lists what I know."),)
    assert list(bot.answer(Message(-1, "hello", group=True))) == []
    assert list(bot.answer(Message(-1, "/weather", group=True))) == []
    assert bot.answer(Message(-1, "/spaces@carparks_bot Westgate", group=True))[0].text == "There are 42 spaces free at Westgate."


def test_mistakes_are_told_when_the_bot_is_made(parks: penstock.Database) -> None:
    with pytest.raises(ConfigError, match=r"/spaces asks for :name, which no argument gives\. There are: none"):
        Bot(parks, "b", [Lookup("spaces", "", SPACES.query, "x")])
    with pytest.raises(ConfigError, match=r"A text of /x asks for \{name\}"):
        Bot(parks, "b", [Lookup("x", "", "SELECT name FROM carparks;", "x", none="{name}")])
    bot = Bot(parks, "b", [Lookup("x", "", "SELECT name FROM carparks;", "{colour}"), Picture("z", "", "SELECT name FROM carparks;", Bars("spaces"))])
    assert told(bot, "/x").startswith("Sorry, that did not work")
    assert told(bot, "/z").startswith("Sorry, that did not work")


def test_a_histogram_is_a_picture_of_bars(parks: penstock.Database) -> None:
    parks.execute("""CREATE STREAM votes (question STRING KEY, pie STRING) WITH (kafka_topic='v', value_format='JSON', partitions=1);
                     CREATE TABLE results AS SELECT question, HISTOGRAM(pie) AS results FROM votes GROUP BY question;""")
    picture = Picture("results", "Results", "SELECT question, results FROM results ORDER BY question;", Bars("RESULTS", title="{QUESTION}"))
    bot = Bot(parks, "b", [picture])
    assert told(bot, "/results") == "There is nothing to show yet."
    pies = ["Apple", "Pecan", "Apple", "$5 pie_"]
    parks.insert("votes", [{"question": "Which?", "pie": pie} for pie in pies] + [{"question": "When?", "pie": "now"}])
    parks.wait_idle(30)
    when, which = say(bot, "/results")
    assert (when.text, which.text) == ("When?", "Which?")
    assert which.picture is not None
    bars = [("Apple  ", 20, 2), ("$5 pie_", 10, 1), ("Pecan  ", 10, 1)]
    assert chart_text(which.picture, 30).splitlines() == ["Which?", *(f"{label} {'█' * width} {count}" for label, width, count in bars)]
    assert size_of(png(which.picture)) == (1000, 375)


def test_rows_as_bars_and_lines(parks: penstock.Database) -> None:
    bars = Picture("bars", "", "SELECT name, spaces FROM carparks WHERE spaces > :n ORDER BY spaces DESC;", Bars("spaces", "name", "More than {n}"),
                   [Argument("n", "INT", default=-1)])  # fmt: skip
    bot = Bot(parks, "b", [bars])
    chart = say(bot, "/bars 5")[0].picture
    assert chart == Chart("bars", "More than 5", {"": [("Westgate", 42.0), ("Kirkgate Centre", 7.0)]})
    assert png(chart)[:8] == b"\x89PNG\r\n\x1a\n"

    parks.execute("CREATE STREAM seen (name STRING, ts BIGINT, spaces INT) WITH (kafka_topic='seen', value_format='JSON', partitions=1);")
    hours = range(48)
    parks.insert("seen", [{"name": n, "ts": h * 3_600_000, "spaces": h * k} for h in reversed(hours) for k, n in enumerate(["A", "_B"])])
    lines = Picture("lines", "", "SELECT name, ts, spaces FROM seen;", Lines("ts", "spaces", "name", "Free", "spaces"))
    chart = say(Bot(parks, "c", [lines]), "/lines")[0].picture
    assert chart is not None
    assert chart.series["_B"][:2] == [(datetime(1970, 1, 1), 0.0), (datetime(1970, 1, 1, 1), 1.0)]
    assert size_of(png(chart)) == (1000, 625)
    text = chart_text(chart).splitlines()
    assert len(text) == 1 + 2 * 13
    assert text[-1].startswith("1970-01-02 23:00:00 █")
    assert text[-1].endswith(" 47")


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")
