"""Alerts: records of a stream or table, or rows of a push query, told to the chats that asked for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bots.arguments import Argument, parse_arguments, usage
from penstock.bots.messages import Reply
from penstock.bots.schema import source_of
from penstock.bots.subscriptions import Subscription, Subscriptions
from penstock.bots.texts import check_names
from penstock.bots.turn import OneTurn, Turn
from penstock.bots.values import AnswerError, kept_text, parse_value, show_value
from penstock.errors import ConfigError, SqlError

if TYPE_CHECKING:
    from penstock import Database
    from penstock.catalog.model import DataSource

SUBSCRIPTIONS_MAX = 50
"""The most of one chat to one alert."""


def every_record(row: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """The condition of an alert that has none."""
    return True


@dataclass(frozen=True)
class Alert:
    """A command that subscribes its chat to records as they come: `/alert 20`; `/alert off` ends it, and `/alert` alone says what is subscribed where
    arguments are needed.

    Either `source`, a stream or table, or `query`, a SELECT with EMIT CHANGES or EMIT FINAL, which is kept running as a persistent query. `text`:
    what is told of a record, `{COLUMN}` for a column, `{name}` for an argument of the subscription. `when(row, arguments)`: whether the
    subscription wants the record; every one, where it is left out. `each`: names of arguments; a chat has one subscription for each of their values,
    and a new one replaces the one of the same values (`/alert Westgate 20`, `/alert Broadway 50`). `on_change`: tell only when the condition
    becomes true for a key of the source, not at each record for which it is. `once`: the first alert ends the subscription.

    Subscriptions are kept in the table BOT_SUBSCRIPTIONS with how far each was told, before it is told: after a crash nothing is told twice, and a
    message that was on its way just then may be lost. While a chat cannot be reached its alerts wait.
    """

    name: str
    description: str
    text: str
    source: str = ""
    query: str = ""
    arguments: Sequence[Argument] = ()
    when: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] = every_record
    each: Sequence[str] = ()
    on_change: bool = False
    once: bool = False
    takes_location: bool = False

    @property
    def usage(self) -> str:
        """The command with its arguments, and how to end it."""
        return f"{usage(self.name, self.arguments)}, /{self.name} off"

    def open(self, db: Database) -> OpenAlert:
        """The command at work. Raises ConfigError or SqlError."""
        return OpenAlert(db, self)


class OpenAlert(OneTurn):
    """An alert's command at work; `alerting.py` tells what comes."""

    def __init__(self, db: Database, alert: Alert) -> None:
        if bool(alert.source) == bool(alert.query):
            raise ConfigError(f"The alert /{alert.name} needs either a source or a query.")
        names = [a.name for a in alert.arguments]
        for name in alert.each:
            if name not in names:
                raise ConfigError(f"The alert /{alert.name} has no argument {name}.", mend=f"There are: {', '.join(names) or 'none'}.")
        self.alert = alert
        self._db = db
        self._types = {a.name: a.sql_type for a in alert.arguments}
        self._subscriptions: Subscriptions | None = None
        self.source: DataSource = source_of(db, alert.source) if alert.source else self._persistent(db, alert)
        bounds = ["WINDOWSTART", "WINDOWEND"] if self.source.window else []
        check_names(alert.text, [*names, *(c.name for c in self.source.schema.columns), *bounds], f"The alert /{alert.name}")

    def subscribed_in(self, subscriptions: Subscriptions) -> None:
        """Where the bot keeps who is subscribed."""
        self._subscriptions = subscriptions

    def begin(self, turn: Turn, arguments: str) -> Sequence[Reply]:
        assert self._subscriptions is not None
        word, _, rest = arguments.partition(" ")
        if word.lower() == "off":
            return [Reply(self._end(turn, rest.strip()))]
        if not arguments and any(a.required for a in self.alert.arguments):
            return [Reply(self._overview(turn.message.chat))]
        values = parse_arguments(self.alert.name, self.alert.arguments, arguments, turn.db)
        kept = {name: None if value is None else kept_text(value) for name, value in values.items()}
        part = "/".join(str(kept[name]) for name in self.alert.each)
        present = self._subscriptions.of(self.alert.name, turn.message.chat)
        if len(present) >= SUBSCRIPTIONS_MAX and part not in (s.part for s in present):
            raise AnswerError(f"{SUBSCRIPTIONS_MAX} are the most.", mend=f"End some by /{self.alert.name} off.")
        self._subscriptions.put(Subscription(self.alert.name, turn.message.chat, part, kept, self._ends()))
        what = ", ".join(f"{name} {show_value(value)}" for name, value in values.items() if value is not None)
        return [Reply(f"You will be told{f': {what}' if what else ''}. /{self.alert.name} off ends it.")]

    def arguments_of(self, subscription: Subscription) -> dict[str, Any]:
        """A subscription's arguments as values of their types; those that the alert did not have when it was made are None."""
        kept = subscription.arguments
        return {name: None if kept.get(name) is None else parse_value(str(kept[name]), type_) for name, type_ in self._types.items()}

    def _end(self, turn: Turn, which: str) -> str:
        assert self._subscriptions is not None
        present = self._subscriptions.of(self.alert.name, turn.message.chat)
        if not present:
            return f"You are not subscribed. /{self.alert.name} begins it."
        meant = [s for s in present if not which or which.casefold() in (str(s.arguments.get(name)).casefold() for name in self.alert.each)]
        if not meant:
            raise AnswerError(f"“{which}” is not subscribed.", mend=self._overview(turn.message.chat))
        for each in meant:
            self._subscriptions.end(each)
        return "You will be told no more." if len(meant) == len(present) else f"You will be told no more of {which}."

    def _overview(self, chat: int) -> str:
        assert self._subscriptions is not None
        lines = [
            "- " + ", ".join(f"{name} {text}" for name, text in s.arguments.items() if text is not None)
            for s in self._subscriptions.of(self.alert.name, chat)
        ]
        wanted = "\n".join(["You are told:", *lines]) if lines else "You are not subscribed."
        return f"{wanted}\nTo change it: {self.alert.usage}"

    def _ends(self) -> dict[int, int]:
        """Where the topic's partitions end now: a subscription is for what comes after it."""
        info = self._db.log.topic(self.source.topic)
        return {p: self._db.log.end_offset(self.source.topic, p) for p in range(info.partitions if info else 0)}

    def _persistent(self, db: Database, alert: Alert) -> DataSource:
        """The stream or table of the alert's query: made at the first start, and anew where the query has changed."""
        from penstock.plan import plan_query
        from penstock.sql import ast
        from penstock.statements.view import View

        text = alert.query.strip().rstrip(";")
        statements = list(db.statements(text))
        if len(statements) != 1 or not isinstance(statements[0], ast.Query) or not (plan := plan_query(statements[0], View(db))).push:
            raise SqlError(f"The query of the alert /{alert.name} must be one SELECT with EMIT CHANGES or EMIT FINAL.")
        name = f"BOT_ALERT_{alert.name}".upper()
        topic = name.lower().replace("_", "-")
        sql = f"CREATE {plan.root.kind} {name} WITH (kafka_topic='{topic}', value_format='JSON') AS {text};"
        source = db.catalog.source(name)
        made_by = next((query.sql for query in db.catalog.queries() if source is not None and query.id == source.created_by), None)
        if source is None or made_by is None or made_by.rstrip(";") != sql.rstrip(";"):
            if source is not None:
                db.execute(f"DROP {source.kind} {name} DELETE TOPIC;")
            db.execute(sql)
        return source_of(db, name)
