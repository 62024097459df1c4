"""What must be there before the first question: schemas, sources and queries, surveys, the way of the results."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import penstock

from .config import FOLDER, Config

if TYPE_CHECKING:
    from penstock import Database

# The topics that people's programs write; those that queries write get their schemas from the queries.
WRITTEN = ("survey-entries", "survey-questions")
VARIABLES = {"telegram": ("TELEGRAM_TOKEN", "TELEGRAM_CHAT_ID"), "webhook": ("SURVEY_WEBHOOK",)}


def set_up(db: Database, config: Config, *, start_ms: int | None = None) -> None:
    """Make all of it, on a database that has none of it; one that has goes on as it is. `start_ms`: the surveys' own time, where it is not now."""
    if db.catalog.source("SURVEY_ANSWERS") is not None:
        return
    for topic in WRITTEN:
        db.schemas.register(f"{topic}-value", penstock.Schema((FOLDER / "schemas" / f"{topic}.avsc").read_text()))
    db.execute("SET 'auto.offset.reset' = 'earliest';")
    db.run_script(FOLDER / "pipeline.sql")
    db.run_script(FOLDER / "bot.sql")
    db.execute("UNSET 'auto.offset.reset';")
    time = {} if start_ms is None else {"ROWTIME": start_ms}
    db.insert("survey_questions", [{**survey.row(), **time} for survey in config.surveys])


def connect_results(db: Database, config: Config) -> str:
    """Start the sink that the configuration and the environment ask for, unless it runs already. Says where final results go."""
    to = config.results_to
    if to == "auto":
        to = next((name for name, needed in VARIABLES.items() if all(os.environ.get(variable) for variable in needed)), "terminal")
    if to == "terminal":
        return "the terminal (config.toml says how to send them to Telegram or a webhook)"
    if db.catalog.connector("SURVEY_RESULTS") is None:
        db.run_script(FOLDER / "results" / f"{to}.sql")
    return to
