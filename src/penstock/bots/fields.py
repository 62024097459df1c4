"""One question of a form: what is asked, what may be answered, what an answer that is left out means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.bots.arguments import check_bounds
from penstock.bots.schema import NO_DEFAULT, FormColumn
from penstock.bots.texts import Columns, fill
from penstock.bots.values import AnswerError, expected, fitted, parse_value, show_value
from penstock.errors import ConfigError
from penstock.sql.types import Array

if TYPE_CHECKING:
    from penstock import Database

Choice = str | tuple[Any, str]
CHOICES_MAX = 100


@dataclass(frozen=True)
class Field:
    """How a form asks for a column; what is left out follows from the topic's schema.

    `prompt`: the question, else the field's `doc`. `prompt_from`: a pull query whose first row's columns the prompt may use, as `{QUESTION}`; it and
    `choices_from` may use the answers so far as parameters, `:survey_id`. `choices`: what may be answered, each a value or (value, label).
    `choices_from`: a pull query whose first column holds the values (an ARRAY holds several), a second one the labels. `no_choices`: what is said
    where that finds none; the form then ends. `take_only_choice`: where there is one choice, take it without asking. `default`: what /skip
    means. `required`: whether there is no /skip. `minimum` and `maximum` are for numbers. `label`: the column's name in the summary.
    """

    prompt: str = ""
    prompt_from: str = ""
    choices: Sequence[Choice] = ()
    choices_from: str = ""
    no_choices: str = "There is nothing to choose from now."
    take_only_choice: bool = False
    default: Any = NO_DEFAULT
    required: bool | None = None
    minimum: float | None = None
    maximum: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Question:
    """A column with its field: a question that can be asked and answered."""

    column: FormColumn
    field: Field

    @property
    def has_choices(self) -> bool:
        """Whether only some values will do."""
        return bool(self.field.choices or self.field.choices_from)

    @property
    def label(self) -> str:
        """The column as people read it."""
        return self.field.label or self.column.name.replace("_", " ").capitalize()

    def prompt(self, db: Database, answers: Mapping[str, Any], default: Any) -> str:
        """The question, with what an answer looks like and what /skip means."""
        values: Mapping[str, Any] = answers
        if self.field.prompt_from:
            row = db.query(self.field.prompt_from, answers).fetchone()
            values = Columns(answers, row.as_dict() if row is not None else {})
        text = fill(self.field.prompt, values) if self.field.prompt else self.column.doc or f"{self.label}?"
        hints = [] if self.has_choices else [hint for hint in (expected(self.column.type),) if hint]
        if default is not NO_DEFAULT:
            hints.append("/skip to leave it out" if default is None else f"/skip for {show_value(default)}")
        return f"{text} ({'; '.join(hints)})" if hints else text

    def choices(self, db: Database, answers: Mapping[str, Any]) -> list[tuple[Any, str]]:
        """The values that may be answered now, with their labels."""
        found: list[tuple[Any, str]] = [choice if isinstance(choice, tuple) else (choice, choice) for choice in self.field.choices]
        if self.field.choices_from:
            found += _from_rows(db.query(self.field.choices_from, answers).fetchall())
        unique = {fitted(value, self._item): label for value, label in found}
        return list(unique.items())[:CHOICES_MAX]

    def skipped(self, current: Mapping[str, Any]) -> Any:
        """What /skip means: the current row's value, the field's default, the schema's, or NULL; NO_DEFAULT where the question must be answered."""
        if current.get(self.column.name) is not None:
            return current[self.column.name]
        if self.field.default is not NO_DEFAULT:
            return fitted(self.field.default, self.column.type)
        required = self.column.required if self.field.required is None else self.field.required
        if required:
            return NO_DEFAULT
        return None if self.column.default is NO_DEFAULT else self.column.default

    def parse(self, text: str, choices: Sequence[tuple[Any, str]]) -> Any:
        """The value of an answer. Raises AnswerError."""
        if not self.has_choices:
            value = parse_value(text, self.column.type)
            for item in value if isinstance(value, list) else [value]:
                check_bounds(item, self.field.minimum, self.field.maximum)
            return value
        by_text = {str(key).casefold(): value for value, label in choices for key in (show_value(value), label)}
        parts = [part.strip() for part in text.split(",")] if isinstance(self.column.type, Array) else [text.strip()]
        unknown = [part for part in parts if part.casefold() not in by_text]
        if unknown:
            raise AnswerError(f"“{unknown[0]}” is none of the choices.", mend=f"Please choose: {', '.join(label for _, label in choices)}.")
        values = [by_text[part.casefold()] for part in parts]
        return values if isinstance(self.column.type, Array) else values[0]

    def show(self, value: Any, choices: Sequence[tuple[Any, str]]) -> str:
        """The answer as the summary has it."""
        if value is None:
            return "-"
        return next((label for choice, label in choices if choice == value), show_value(value))

    @property
    def _item(self) -> Any:
        return self.column.type.item if isinstance(self.column.type, Array) else self.column.type


def _from_rows(rows: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    for row in rows:
        if isinstance(row[0], list):
            yield from ((item, show_value(item)) for item in row[0] if item is not None)
        elif row[0] is not None:
            yield row[0], show_value(row[1] if len(row) > 1 else row[0])


def questions(columns: Sequence[FormColumn], fields: Mapping[str, Field], given: Sequence[str], where: str) -> list[Question]:
    """The questions in the schema's order. Raises ConfigError for a field that is no column, or a column whose type cannot be typed in."""
    from penstock.bots.values import can_be_typed

    upper = {name.upper(): field for name, field in fields.items()}
    passed_over = {name.upper() for name in given}
    known = {column.name.upper() for column in columns}
    for name in (*upper, *passed_over):
        if name not in known:
            raise ConfigError(f"{where} names the column {name}, which is not there.", mend=f"There are: {', '.join(c.name for c in columns)}.")
    found = [Question(c, upper.get(c.name.upper(), Field())) for c in columns if c.name.upper() not in passed_over]
    for question in found:
        if not can_be_typed(question.column.type):
            raise ConfigError(
                f"{where} cannot ask for {question.column.name}: nobody types a {question.column.type}.", mend="Give it by `given`."
            )
    return found
