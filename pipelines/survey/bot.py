"""The survey's bot: asks what the topic's schema asks for, and answers with a chart. `penstock bot survey` runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.bots import Alert, Bars, Bot, Field, Form, Lookup, Picture, chat_id

from .config import Config, load
from .setup import connect_results, set_up

if TYPE_CHECKING:
    from penstock import Database

SURVEY = Form(
    "survey",
    "Answer a survey",
    into="survey_answers",
    fields={
        "survey_id": Field(
            label="Survey",
            choices_from="SELECT survey_id, summary FROM survey_questions WHERE enabled = true;",
            take_only_choice=True,
            no_choices="There is no survey open now.",
        ),
        "response": Field(
            label="Answer",
            prompt="{QUESTION}",
            prompt_from="SELECT question FROM survey_questions WHERE id = :survey_id;",
            choices_from="SELECT options FROM survey_questions WHERE id = :survey_id AND enabled = true;",
            no_choices="This survey was closed just now.",
        ),
    },
    given={"id": lambda answers: answers["survey_id"], "user_id": chat_id},
    done="Thank you, {name}! /results shows how it stands.",
)
SURVEYS = Lookup(
    "surveys",
    "The surveys that are open",
    "SELECT summary, question FROM survey_questions WHERE enabled = true ORDER BY survey_id;",
    "{SUMMARY}: {QUESTION}",
    ending="/survey begins.",
    none="There is no survey open now.",
)
RESULTS = Picture(
    "results",
    "How it stands, as a bar chart",
    "SELECT question, results FROM survey_results_live ORDER BY question;",
    Bars("RESULTS", title="{QUESTION}"),
    none="Nobody has answered yet. /survey begins.",
)
FINAL = Alert("final", "Tell me the final results", "{QUESTION} {RESULTS}", source="survey_results_final")


def open_bot(db: Database, config: Config | None = None, *, now_ms: Callable[[], int] | None = None) -> Bot:
    """The bot on a database, which is set up where it is new. `now_ms`: the time of the entries, where it is not the world's."""
    config = config or load()
    set_up(db, config)
    connect_results(db, config)
    return Bot(db, "survey", [SURVEY, SURVEYS, RESULTS, FINAL], welcome="Good day! I ask one question, and count.", now_ms=now_ms)
