"""From what simulated respondents say to the final results at a webhook, against an oracle in plain Python."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipelines.survey import demo
from pipelines.survey.bot import open_bot
from pipelines.survey.config import FOLDER, load
from pipelines.survey.results_view import ResultsView
from pipelines.survey.setup import connect_results, set_up
from pipelines.survey.simulator import Respondent, answer, respondents
from tests.connect.web_server import Answer, WebServer
from tests.machine import how_slow, idle_median_ms, peak_mb
from tests.pipelines.survey.oracle import WINDOW_MS, Final, entries, finals, live

import penstock
from penstock.bots import Message

ROOT = Path(__file__).parents[3]
CONFIG = load()
START_MS = 10_000 * WINDOW_MS - 6 * 3600 * 1000


@pytest.fixture
def webhook(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> WebServer:
    monkeypatch.setenv("SURVEY_WEBHOOK", web.url)
    for name in ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID"):
        monkeypatch.delenv(name, raising=False)
    return web


def some(count: int, *, per_hour: float, seed: int = 1) -> list[Respondent]:
    habits = replace(CONFIG.habits, respondents_per_hour=per_hour, slips=0.2, changes_mind=0.15, gives_up=0.15)
    return list(itertools.islice(respondents(CONFIG.surveys, habits, seed=seed, start_ms=START_MS), count))


def found(db: penstock.Database) -> list[Final]:
    rows = db.query("SELECT question, WINDOWSTART AS start_ms, results FROM survey_results_final;").fetchall()
    return sorted(
        (Final(row["QUESTION"], row["START_MS"], tuple(sorted(row["RESULTS"].items()))) for row in rows), key=lambda f: (f.start_ms, f.question)
    )


def results_in(delivered: list[dict[str, Any]]) -> set[Final]:
    """What the webhook got."""
    return {Final(d["question"], d["from"], tuple(sorted(d["results"].items()))) for d in delivered}


def test_the_results_are_the_oracles_and_final_ones_reach_the_webhook(tmp_path: Path, webhook: WebServer) -> None:
    """People talk over four days; the folder is closed and opened again in the middle of a conversation, and the webhook fails now and then."""
    webhook.answers.extend([Answer(503, {"Retry-After": "0"}), Answer(), Answer(429, {"Retry-After": "0"})])
    who = some(44, per_hour=0.6, seed=2)
    assert any(each.slip for each in who)
    assert any(each.anew for each in who)
    expected = list(finals(who))
    assert len({final.start_ms for final in expected}) == 2, "two windows are over"
    assert {each.survey.survey_id for each in who} == {"1", "2"}, "the third is not enabled"

    half = len(who) // 2
    for number, part in enumerate((who[:half], who[half:])):
        with penstock.connect(tmp_path / "data") as db:
            clock = demo.EntryClock(START_MS)
            set_up(db, CONFIG, start_ms=START_MS)
            bot = open_bot(db, CONFIG, now_ms=clock.now_ms)
            assert connect_results(db, CONFIG) == "webhook"
            if number == 0:
                for text in ("/survey", "Drinks", "Left in the middle"):
                    bot.answer(Message(1, text))
            else:
                assert "company" in bot.answer(Message(1, "/help"))[-1].text, "the question is still open"
            for each in part:
                clock.advance(each.at_ms)
                assert answer(bot, each) == (not each.gives_up)
            assert db.wait_idle(30)
            assert db.connectors.wait_idle(30), db.connectors.statuses()
            standing = {row["QUESTION"]: row["RESULTS"] for row in db.query("SELECT question, results FROM survey_results_live;")}
            final = found(db)
            people = db.query("SELECT user_id, name, company, location FROM survey_respondents;").fetchall()
            responses = db.query("SELECT user_id, survey_id, response FROM survey_responses;").fetchall()
            keys = db.log.read("survey-entries", 0, 0)["key"].to_pylist()
    assert standing == live(who)
    assert final == expected
    assert sorted(people) == sorted((str(e.chat), e.name, e.company, e.location) for e in entries(who))
    assert sorted(responses) == sorted((str(e.chat), e.survey.survey_id, e.response) for e in entries(who))
    assert keys == [e.survey.survey_id.encode() for e in entries(who)], "the key is the survey's, as in the talk"
    delivered = [json.loads(request.body) for request in webhook.requests]
    assert results_in(delivered) == set(expected)
    assert len(delivered) == len(expected) + 2, "the two that were refused came again, no other came twice"


def test_the_topics_have_the_talks_schemas() -> None:
    """Written topics have them registered; what queries write has the same fields and types, with names as SQL has them."""
    with penstock.connect(":memory:") as db:
        set_up(db, CONFIG)
        for path in sorted((FOLDER / "schemas").glob("*.avsc")):
            wanted = {field["name"].upper(): field["type"] for field in json.loads(path.read_text())["fields"]}
            registered = db.schemas.latest(f"{path.stem}-value")
            assert registered is not None
            has = {field["name"].upper(): field["type"] for field in json.loads(registered.schema.text)["fields"]}
            assert has.keys() == wanted.keys(), path.stem
            if path.stem in ("survey-entries", "survey-questions"):
                assert has == wanted
            else:
                assert all(kind == ["null", "string"] for kind in has.values())


def test_the_bot_asks_answers_and_tells(tmp_path: Path) -> None:
    """Several surveys at once, enabled or not; results as a chart; the final ones to whoever asked."""
    with penstock.connect(tmp_path / "data") as db:
        now = [START_MS]
        bot = open_bot(db, CONFIG, now_ms=lambda: now[0])

        def say(text: str, chat: int = 1) -> str:
            return bot.answer(Message(chat, text))[0].text

        assert say("/surveys") == f"Thanksgiving Pie: {CONFIG.surveys[0].question}\nDrinks: {CONFIG.surveys[1].question}\n/survey begins."
        assert say("/results") == "Nobody has answered yet. /survey begins."
        asked = bot.answer(Message(1, "/survey"))[0]
        assert (asked.text, asked.choices) == ("Which survey would you like to take?", ("Thanksgiving Pie", "Drinks"))
        assert "none of the choices" in say("Easter eggs")
        for text in ("Thanksgiving Pie", "Ada", "/skip", "Leeds"):
            question = bot.answer(Message(1, text))[0]
        assert (question.text, question.choices) == (CONFIG.surveys[0].question, CONFIG.surveys[0].options)
        assert say("Pecan Pie").startswith("Survey: Thanksgiving Pie\nName: Ada\nCompany: -\nLocation: Leeds\nAnswer: Pecan Pie\n")
        say("/survey", chat=2)
        for text in ("Thanksgiving Pie", "Ben", "/skip", "/skip"):
            say(text, chat=2)
        assert say("/y") == "Thank you, Ada! /results shows how it stands."
        db.wait_idle(30)
        picture = bot.answer(Message(3, "/results"))[0].picture
        assert picture is not None
        assert (picture.title, picture.series) == (CONFIG.surveys[0].question, {"": [("Pecan Pie", 1.0)]})

        for survey in CONFIG.surveys[:2]:
            db.insert("survey_questions", [survey.row() | {"enabled": False}])
        assert say("Apple Pie", chat=2) == "This survey was closed just now."
        assert say("/survey") == "There is no survey open now."
        db.insert("survey_questions", [CONFIG.surveys[2].row() | {"enabled": True}])
        assert say("/survey") == "What is your name?", "the only survey is taken without asking"


def test_a_closed_survey_takes_no_answer_that_was_open(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "data") as db:
        bot = open_bot(db, CONFIG)
        for text in ("/survey", "Drinks", "Ben", "/skip", "/skip"):
            bot.answer(Message(2, text))
        db.insert("survey_questions", [CONFIG.surveys[1].row() | {"enabled": False}])
        assert "This survey was closed just now." in bot.answer(Message(2, "Tea"))[0].text


def test_from_the_last_answer_to_the_result_in_a_moment(tmp_path: Path) -> None:
    """From /y to the changed row of the live results, with all queries running: under a quarter of a second (of an idle machine)."""
    with penstock.connect(tmp_path / "data") as db:
        bot = open_bot(db, CONFIG)
        rows: list[tuple[float, int]] = []
        query = db.query("SELECT question, results FROM survey_results_live EMIT CHANGES;")
        changed = threading.Condition()

        def follow() -> None:
            for row in query:
                with changed:
                    rows.append((time.perf_counter(), sum(row["RESULTS"].values())))
                    changed.notify_all()

        thread = threading.Thread(target=follow)
        thread.start()
        taken_s, slowness = [], []
        for chat in range(1, 16):
            for text in ("/survey", "Drinks", "Ben", "/skip", "/skip", "Tea"):
                bot.answer(Message(chat, text))
            slowness.append(how_slow())
            began = time.perf_counter()
            bot.answer(Message(chat, "/y"))
            with changed:
                assert changed.wait_for(lambda: bool(rows) and rows[-1][1] == chat, 30)  # noqa: B023 - waited for here
            taken_s.append(rows[-1][0] - began)
        query.close()
        thread.join(10)
    assert idle_median_ms("from the last answer to the live results", taken_s, slowness) < 250, taken_s


def test_a_killed_demo_goes_on_with_no_entry_lost_or_twice(tmp_path: Path, webhook: WebServer) -> None:
    """SIGKILL at seeded moments, then a run to its end: each entry is there once, results are those of the entries, each final one is delivered."""
    moments = random.Random(2)
    command = [sys.executable, "-m", "penstock.cli.main", "demo", "survey", "--data", "data", "--speed", "20000"]
    for number in range(2):
        with subprocess.Popen([*command, "--seed", str(number)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            next(line for line in process.stdout if re.match(r"\w{3} \d\d ", line))
            threading.Event().wait(moments.uniform(0.1, 1.0))
            os.kill(process.pid, signal.SIGKILL)
    said, peaks_mb = "", [0.0]
    with subprocess.Popen([*command, "--alerts", "2"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ending:
        assert ending.stdout is not None
        assert ending.stderr is not None
        for line in ending.stdout:
            said += line
            if line.startswith("FINAL ") and sys.platform == "linux":
                peaks_mb.append(peak_mb(ending.pid))
        complaints = ending.stderr.read()
    assert (ending.returncode, complaints) == (0, "")
    assert "FINAL " in said
    assert "penstock shell --data data" in said
    assert max(peaks_mb) < 400, "a demo stays under 400 MB"
    with penstock.connect(tmp_path / "data") as db:
        assert db.wait_idle(30)
        assert db.connectors.wait_idle(30)
        users = [row[0] for row in db.query("SELECT user_id FROM survey_entries;").fetchall()]
        assert len(set(users)) == len(users) > 10
        standing = {row["QUESTION"]: row["RESULTS"] for row in db.query("SELECT question, results FROM survey_results_live;")}
        assert sum(sum(results.values()) for results in standing.values()) == len(users)
        final = found(db)
    delivered = [json.loads(request.body) for request in webhook.requests]
    assert results_in(delivered) == set(final)
    assert len(delivered) == len(final), "none was delivered twice"


def test_the_command_talks_in_the_terminal(tmp_path: Path) -> None:
    """`penstock bot survey --terminal`, twice: the second goes on in the middle of the first's conversation."""
    command = [sys.executable, "-m", "penstock.cli.main", "bot", "survey", "--data", "data", "--terminal", "--pictures", "pictures"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TELEGRAM", "SURVEY"))}
    said = []
    for text in ("/survey\n1\nAda\n/skip\n", "/skip\n2\n1\n/results\n"):
        ended = subprocess.run(command, cwd=tmp_path, env=environment, input=text, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        said.append(ended.stdout)
    assert said[0].endswith("Where are you? (/skip to leave it out)\n")
    assert "Answer: Pecan Pie" in said[1]
    assert "Thank you, Ada!" in said[1]
    with penstock.connect(tmp_path / "data", read_only=True) as db:
        assert db.query("SELECT name, response FROM survey_entries;").fetchall() == [("Ada", "Pecan Pie")]


def test_what_the_terminal_shows() -> None:
    """Live bars, drawn without a terminal."""
    from rich.console import Console

    view = ResultsView(lambda: START_MS, Console(record=True, force_terminal=True, width=110, file=io.StringIO()))
    view.live({"QUESTION": "Which pie?", "RESULTS": {"Apple": 1, "Pecan": 4}})
    view.final({"QUESTION": "Which pie?", "RESULTS": {"Apple": 1, "Pecan": 4}, "WINDOWSTART": START_MS, "WINDOWEND": START_MS + WINDOW_MS})
    view.show(threading.Event(), lambda: view.final_count == 1)
    text = view._console.export_text()
    assert "FINAL Which pie? Pecan 4, Apple 1 (" in text
    assert re.search(r"Pecan +█{40} +4", text)
    assert re.search(r"Apple +█{10} +1", text)


def test_the_same_seed_says_the_same() -> None:
    assert some(20, per_hour=1, seed=4) == some(20, per_hour=1, seed=4) != some(20, per_hour=1, seed=5)
