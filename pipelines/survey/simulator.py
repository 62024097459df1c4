"""Simulated respondents, who talk to the very bot that people talk to. The same seed says the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from penstock.bots import Bot, Message, Reply

from .config import Habits, Survey

HOUR_MS = 3600 * 1000
FIRST_NAMES = ("Ada", "Ben", "Chen", "Dina", "Emil", "Fay", "Gil", "Hana", "Ivo", "June", "Kofi", "Lena", "Mia", "Noor", "Otto", "Pia")
COMPANIES = ("Acme", "Blue Bakery", "City of Leeds", "Deep Thought Ltd.", "Evergreen", "O'Malley & Sons")
PLACES = ("Austin", "Berlin", "Cambridge", "Denver", "Edinburgh", "Lyon", "Osaka")


@dataclass(frozen=True)
class Respondent:
    """Somebody and what they mean to say. `slip`: what they answer at first, none of the options; `anew`: whether they say /n once; `gives_up`:
    whether they end by /cancel."""

    chat: int
    at_ms: int
    survey: Survey
    name: str
    company: str | None
    location: str | None
    response: str
    slip: str | None = None
    anew: bool = False
    gives_up: bool = False


def respondents(surveys: Sequence[Survey], habits: Habits, *, seed: int, start_ms: int) -> Iterator[Respondent]:
    """Respondents without end, in the order of their time. People's tastes are uneven: each survey's options are chosen by falling weights."""
    random_ = random.Random(f"{seed} {start_ms}")  # noqa: S311 - a simulation, not a secret
    open_ones = [survey for survey in surveys if survey.enabled]
    favourites = {survey.survey_id: random_.sample(survey.options, len(survey.options)) for survey in open_ones}
    at_ms, number = float(start_ms), 0
    while open_ones:
        at_ms += random_.expovariate(habits.respondents_per_hour) * HOUR_MS
        number += 1
        survey = random_.choice(open_ones)
        options = favourites[survey.survey_id]
        yield Respondent(
            chat=int(at_ms),  # never one that an earlier run had left in the middle of a conversation
            at_ms=int(at_ms),
            survey=survey,
            name=f"{random_.choice(FIRST_NAMES)} {number}",
            company=None if random_.random() < habits.skips else random_.choice(COMPANIES),
            location=None if random_.random() < habits.skips else random_.choice(PLACES),
            response=random_.choices(options, [1 / (rank + 1) for rank in range(len(options))])[0],
            slip="Pizza" if random_.random() < habits.slips else None,
            anew=random_.random() < habits.changes_mind,
            gives_up=random_.random() < habits.gives_up,
        )


def answer(bot: Bot, who: Respondent) -> bool:
    """Let a respondent talk to the bot until the entry is confirmed (True) or given up. What they say follows from what they are asked."""
    said = _say(bot, who, "/survey")
    slip, anew = who.slip, who.anew
    for _ in range(30):  # a conversation that has not ended by then goes in circles, which is a bug
        question = said.text
        if "Which survey" in question:
            text = who.survey.summary
        elif "name" in question:
            text = who.name
        elif "company" in question:
            text = who.company or "/skip"
        elif "Where are you" in question:
            text = who.location or "/skip"
        elif "Shall I keep this" in question:
            text = "/n" if anew else "/y"
        elif question.startswith("Thank you"):
            return True
        elif "Nothing is kept" in question:
            anew, text = False, "/survey"
        elif "cancelled" in question:
            return False
        elif who.gives_up:
            text = "/cancel"
        else:
            text, slip = slip or who.response, None
        said = _say(bot, who, text)
    raise AssertionError(f"the conversation with {who} goes in circles: {said.text}")


def _say(bot: Bot, who: Respondent, text: str) -> Reply:
    return bot.answer(Message(who.chat, text, sender=who.name))[-1]
