"""Forms: a conversation that asks for the columns of a topic, one by one, and makes a record of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.bots.fields import Field, questions
from penstock.bots.messages import Message, Reply
from penstock.bots.schema import NO_DEFAULT, form_columns, source_of
from penstock.bots.texts import check_names, fill
from penstock.bots.turn import Conversation, Handler, Turn
from penstock.bots.values import AnswerError, fitted, kept_text, parse_value

if TYPE_CHECKING:
    from penstock import Database

CONFIRM = "/confirm"
"""The step after the last question; no column has this name."""


class Answers(Mapping[str, Any]):
    """The answers so far by column name, in any case of its letters, as values of the columns' types; and who gives them."""

    def __init__(self, values: Mapping[str, Any], message: Message) -> None:
        self._values = {name.upper(): value for name, value in values.items()} | {name.lower(): value for name, value in values.items()}
        self.chat = message.chat
        self.user = message.user or message.chat
        self.sender = message.sender

    def __getitem__(self, name: str) -> Any:
        return self._values[name if name in self._values else name.upper()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


Given = Callable[[Answers], Any]


def chat_id(answers: Answers) -> int:
    """For `given`: the number of the chat, which in a private chat is the user's."""
    return answers.chat


@dataclass(frozen=True)
class Form:
    """A command that fills a stream or table by a conversation.

    `into`: the stream or table; each of its columns is asked for, in the schema's order, unless it is `given`: a constant, or a function of the
    answers (`chat_id`, `lambda a: str(a["plant_id"])`). `fields`: how columns are asked for, where the schema does not say it all. `current`:
    a pull query with answers as parameters; as soon as it can be asked, /skip means the value of its row, so that a form can update one.
    `confirm`: whether a summary is shown, to say /y or /n to. `done`: what is said when the record is kept; it may use the answers.
    What follows the command is the answer to the first question: `/update_plant 3`.
    """

    name: str
    description: str
    into: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    current: str = ""
    confirm: bool = True
    done: str = "Thank you, it is kept."
    takes_location: bool = False

    @property
    def usage(self) -> str:
        """The command alone."""
        return f"/{self.name}"

    def open(self, db: Database) -> Handler:
        """The form at work. Raises SqlError or ConfigError."""
        return _OpenForm(db, self)


class _OpenForm:
    leads = True

    def __init__(self, db: Database, form: Form) -> None:
        self._db, self._form = db, form
        columns = form_columns(db, source_of(db, form.into))
        self._types = {column.name: column.type for column in columns}
        self._given = {column.name: value for name, value in form.given.items() for column in columns if column.name.upper() == name.upper()}
        self._questions = {q.column.name: q for q in questions(columns, form.fields, list(form.given), f"The form /{form.name}")}
        check_names(form.done, self._questions, f"The form /{form.name}")

    # ------------------------------------------------------------------ turns

    def begin(self, turn: Turn, arguments: str) -> Sequence[Reply]:
        """The first question; with arguments, what follows from them as its answer."""
        turn.conversation = Conversation(self._form.name, "")
        replies = self._ask_next(turn)
        if arguments and turn.conversation is not None:
            try:
                return self._take(turn, arguments)
            except AnswerError as error:
                return [Reply(str(error)), *replies]
        return replies

    def go_on(self, turn: Turn) -> Sequence[Reply]:
        """The next question, the summary, or the record."""
        assert turn.conversation is not None
        if turn.conversation.step not in (*self._questions, CONFIRM):
            turn.conversation = None
            return [Reply(f"The questions have changed since we began. Please begin again: /{self._form.name}")]
        return self._take(turn, turn.message.text.strip())

    def ask_again(self, turn: Turn) -> Sequence[Reply]:
        """The open question."""
        return self._ask_next(turn)

    def _take(self, turn: Turn, text: str) -> Sequence[Reply]:
        """Take a text as the answer to the open question. Raises AnswerError."""
        conversation = turn.conversation
        assert conversation is not None
        if conversation.step == CONFIRM:
            return self._confirmed(turn, text)
        question, answers = self._questions[conversation.step], self._answers(turn)
        if text.lower() == "/skip":
            value = question.skipped(self._current(answers))
            if value is NO_DEFAULT:
                raise AnswerError("This one cannot be left out.", mend="Please answer it, or /cancel.")
        elif not text or text.startswith("/"):
            raise AnswerError("Please answer the question" + (", /skip it" if question.skipped({}) is not NO_DEFAULT else "") + " or /cancel.")
        else:
            choices = question.choices(self._db, answers) if question.has_choices else []
            if question.has_choices and not choices:
                turn.conversation = None
                return [Reply(question.field.no_choices)]
            value = question.parse(text, choices)
        turn.conversation = conversation.with_answer(question.column.name, None if value is None else kept_text(value))
        return self._ask_next(turn)

    def _ask_next(self, turn: Turn) -> Sequence[Reply]:
        """The first question that has no answer yet; when all have, the summary or the record."""
        assert turn.conversation is not None
        for name, question in self._questions.items():
            if name in turn.conversation.answers:
                continue
            answers = self._answers(turn)
            choices = question.choices(self._db, answers) if question.has_choices else []
            if question.has_choices and not choices:
                turn.conversation = None
                return [Reply(question.field.no_choices)]
            if question.field.take_only_choice and len(choices) == 1:
                turn.conversation = turn.conversation.with_answer(name, kept_text(choices[0][0]))
                continue
            turn.conversation = turn.conversation.at(name)
            skipped = question.skipped(self._current(answers))
            offered = tuple(label for _, label in choices)
            return [Reply(question.prompt(self._db, answers, skipped), offered + (("/skip",) if offered and skipped is not NO_DEFAULT else ()))]
        turn.conversation = turn.conversation.at(CONFIRM)
        if not self._form.confirm:
            return self._record(turn)
        return [Reply(f"{self._summary(turn)}\n\nShall I keep this? /y or /n", ("/y", "/n"))]

    def _confirmed(self, turn: Turn, text: str) -> Sequence[Reply]:
        word = text.lower().lstrip("/")
        if word in ("y", "yes"):
            return self._record(turn)
        if word in ("n", "no"):
            turn.conversation = None
            return [Reply(f"Nothing is kept. /{self._form.name} begins anew.")]
        raise AnswerError("Please say /y to keep it, or /n.")

    # ------------------------------------------------------------------ answers

    def _answers(self, turn: Turn) -> Answers:
        assert turn.conversation is not None
        kept = turn.conversation.answers
        typed = {name: None if text is None else parse_value(text, self._types[name]) for name, text in kept.items() if name in self._types}
        return Answers(typed, turn.message)

    def _current(self, answers: Answers) -> dict[str, Any]:
        """The row that is being updated, as soon as the answers are there that find it."""
        if not self._form.current or not _can_be_asked(self._form.current, answers):
            return {}
        row = self._db.query(self._form.current, answers).fetchone()
        return {} if row is None else row.as_dict()

    def _summary(self, turn: Turn) -> str:
        answers, lines = self._answers(turn), []
        for name, question in self._questions.items():
            choices = question.choices(self._db, answers) if question.has_choices else []
            lines.append(f"{question.label}: {question.show(answers[name], choices)}")
        return "\n".join(lines)

    def _record(self, turn: Turn) -> Sequence[Reply]:
        answers = self._answers(turn)
        row = {name: answers[name] for name in self._questions}
        for name, given in self._given.items():
            row[name] = fitted(given(answers) if callable(given) else given, self._types[name])
        turn.insert(self._form.into, row)
        turn.conversation = None
        return [Reply(fill(self._form.done, answers))]


def _can_be_asked(sql: str, answers: Answers) -> bool:
    from penstock.sql.parameters import parameter_names

    return all(name in answers for name in parameter_names(sql))
