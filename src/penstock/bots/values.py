"""Values that people type, by SQL type, and values as people read them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from penstock.errors import Error
from penstock.sql import types
from penstock.sql.types import SqlType

_YES, _NO = {"true", "yes", "y", "on", "1"}, {"false", "no", "n", "off", "0"}


class AnswerError(Error):
    """What someone typed is not what was asked for; the text says what is."""


def parse_value(text: str, type_: SqlType) -> Any:
    """The value of a typed text. Raises AnswerError that says what would do.

    >>> from penstock.sql.types import INTEGER
    >>> parse_value(" 12 ", INTEGER)
    12
    """
    text = text.strip()
    if isinstance(type_, types.Array):
        return _array(text, type_)
    if isinstance(type_, types.Decimal):
        return _decimal(text, type_)
    parse = _PARSERS.get(str(type_))
    if parse is None:
        raise AnswerError(f"A value of the type {type_} cannot be typed in.")
    return parse(text)


def can_be_typed(type_: SqlType) -> bool:
    """Whether `parse_value` knows the type."""
    if isinstance(type_, types.Array):
        return can_be_typed(type_.item) and not isinstance(type_.item, types.Array)
    return isinstance(type_, types.Decimal) or str(type_) in _PARSERS


def show_value(value: Any) -> str:
    """A value as people read it; what `parse_value` reads too, in its type. None is empty.

    >>> show_value([1.5, None, True])
    '1.5, , yes'
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds" if value.microsecond == 0 else "milliseconds")
        case date() | time():
            return value.isoformat()
        case list() | tuple():
            return ", ".join(map(show_value, value))
        case Mapping():
            return ", ".join(f"{key}: {show_value(item)}" for key, item in value.items())
        case bytes():
            return value.hex()
    return str(value)


def kept_text(value: Any) -> str:
    """A value as a text that `parse_value` turns into the same value again, a list's parts whatever they hold."""
    return json.dumps([kept_text(item) for item in value]) if isinstance(value, list | tuple) else show_value(value)


def fitted(value: Any, type_: SqlType) -> Any:
    """A value from Python as one of the type: text for a STRING, and text that is parsed where the type is another."""
    if value is None:
        return None
    if type_ == types.STRING:
        return show_value(value)
    return parse_value(value, type_) if isinstance(value, str) else value


def expected(type_: SqlType) -> str:
    """What an answer of the type looks like, to add to a prompt; empty where there is nothing to say."""
    if isinstance(type_, types.Array):
        return "several, with commas between them"
    return _EXPECTED.get(str(type_), "a number" if isinstance(type_, types.Decimal) else "")


_EXPECTED = {
    "INTEGER": "a whole number", "BIGINT": "a whole number", "DOUBLE": "a number", "BOOLEAN": "yes or no", "DATE": "a date, 2024-12-31",
    "TIME": "a time, 18:30", "TIMESTAMP": "a date and time, 2024-12-31 18:30",
}  # fmt: skip


def _whole(bits: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII):
            raise AnswerError("That is no whole number.", mend="Please send one, such as 12.")
        if not -(2**bits) <= (number := int(text)) < 2**bits:
            raise AnswerError(f"That number is too large; {2**bits - 1:,} is the largest.")
        return number

    return parse


def _double(text: str) -> float:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII) or math.isinf(number := float(text)):
        raise AnswerError("That is no number.", mend="Please send one, such as 20.5.")
    return number


def _decimal(text: str, type_: types.Decimal) -> Decimal:
    try:
        number = Decimal(text if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text, re.ASCII) else "none")
    except InvalidOperation:
        raise AnswerError("That is no number.", mend="Please send one, such as 20.50.") from None
    if -int(number.as_tuple().exponent) > type_.scale and number != (rounded := round(number, type_.scale)):
        raise AnswerError(f"That has more than {type_.scale} digits behind the point.", mend=f"Please send {rounded}, or another.")
    if abs(number) >= 10 ** (type_.precision - type_.scale):
        raise AnswerError(f"That number is too large; it may have {type_.precision - type_.scale} digits before the point.")
    return number.quantize(Decimal(1).scaleb(-type_.scale))


def _boolean(text: str) -> bool:
    if text.lower() in _YES | _NO:
        return text.lower() in _YES
    raise AnswerError("That is neither yes nor no.", mend="Please send one of them.")


def _date(text: str) -> date:
    today = datetime.now(UTC).date()
    if text.lower() in ("today", "yesterday", "tomorrow"):
        return today + timedelta(days={"yesterday": -1, "today": 0, "tomorrow": 1}[text.lower()])
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AnswerError("That is no date.", mend="Please send one such as 2024-12-31.") from None


def _time(text: str) -> time:
    try:
        parsed = time.fromisoformat(text)
    except ValueError:
        raise AnswerError("That is no time of day.", mend="Please send one such as 18:30.") from None
    return parsed.replace(tzinfo=None, microsecond=parsed.microsecond // 1000 * 1000)


def _timestamp(text: str) -> datetime:
    if text.lower() == "now":
        moment = datetime.now(UTC)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise AnswerError("That is no date and time.", mend="Please send one such as 2024-12-31 18:30, in UTC.") from None
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _string(text: str) -> str:
    if not text:
        raise AnswerError("That is empty.", mend="Please send some text.")
    return text.replace("\0", "")


def _array(text: str, type_: types.Array) -> list[Any]:
    """The parts of a text: those of a JSON list, else of its lines where there are several, else those between commas."""
    if text.startswith("["):
        try:
            items = json.loads(text)
        except json.JSONDecodeError:
            items = None
        if isinstance(items, list):
            return [parse_value(item if isinstance(item, str) else json.dumps(item), type_.item) for item in items]
    parts = text.splitlines() if "\n" in text else text.split(",")
    found = [parse_value(part, type_.item) for part in parts if part.strip()]
    if not found:
        raise AnswerError("That holds nothing.", mend="Please send several, with commas between them.")
    return found


_PARSERS: dict[str, Callable[[str], Any]] = {
    "INTEGER": _whole(31), "BIGINT": _whole(63), "DOUBLE": _double, "BOOLEAN": _boolean, "DATE": _date, "TIME": _time, "TIMESTAMP": _timestamp,
    "STRING": _string,
}  # fmt: skip
