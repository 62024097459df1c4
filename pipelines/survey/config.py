"""config.toml as typed values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError

FOLDER = Path(__file__).parent
DESTINATIONS = ("auto", "telegram", "webhook", "terminal")


@dataclass(frozen=True)
class Survey:
    """One survey: a question and what may be answered."""

    survey_id: str
    question: str
    summary: str
    options: tuple[str, ...]
    enabled: bool

    def row(self) -> dict[str, Any]:
        """The row of the table survey_questions."""
        return {
            "id": self.survey_id,
            "survey_id": self.survey_id,
            "question": self.question,
            "summary": self.summary,
            "options": list(self.options),
            "enabled": self.enabled,
        }


@dataclass(frozen=True)
class Habits:
    """How simulated respondents are: how many there are in an hour, and shares of 1."""

    respondents_per_hour: float
    skips: float
    slips: float
    changes_mind: float
    gives_up: float


@dataclass(frozen=True)
class Config:
    """All of config.toml."""

    results_to: str
    surveys: tuple[Survey, ...]
    habits: Habits


def load(path: Path = FOLDER / "config.toml") -> Config:
    """Read a configuration. Raises ConfigError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
        config = Config(text["results"]["to"], tuple(_survey(each) for each in text["surveys"]), Habits(**text["simulator"]))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}.", mend="Compare it with the one that comes with Penstock.") from error
    if config.results_to not in DESTINATIONS:
        raise ConfigError(f"{path}: results go to {', '.join(map(repr, DESTINATIONS))}, not '{config.results_to}'.")
    if config.habits.respondents_per_hour <= 0:
        raise ConfigError(f"{path}: respondents_per_hour is more than 0, not {config.habits.respondents_per_hour}.")
    if len({survey.survey_id for survey in config.surveys}) < len(config.surveys):
        raise ConfigError(f"{path}: two surveys have the same survey_id.")
    return config


def _survey(text: Mapping[str, Any]) -> Survey:
    if not text["options"]:
        raise ValueError(f"survey {text['survey_id']} has no options")
    return Survey(str(text["survey_id"]), text["question"], text["summary"], tuple(text["options"]), text["enabled"])
