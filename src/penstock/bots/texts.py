"""Texts with `{COLUMN}` in them, for prompts and answers."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock.bots.values import show_value
from penstock.errors import ConfigError


class Columns(Mapping[str, Any]):
    """Values by name, found as written, or else in any case of the letters. Later mappings take precedence."""

    def __init__(self, *mappings: Mapping[str, Any]) -> None:
        self._values = {name: value for mapping in mappings for name, value in mapping.items()}
        self._names = {name.casefold(): name for name in self._values}

    def __getitem__(self, name: str) -> Any:
        return self._values[name if name in self._values else self._names[name.casefold()]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Filler(string.Formatter):
    """Names alone, no attributes and no indexes; NULL is an empty text, a list is written with commas."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> tuple[Any, str]:
        try:
            return kwargs[field_name], field_name
        except KeyError:
            raise KeyError(field_name) from None

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return ""
        return format(value, format_spec) if format_spec else show_value(value)


_FILLER = _Filler()


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with each `{COLUMN}` (or with a format, `{COLUMN:,}`, `{DISTANCE:.1f}`) replaced by its value; `{{` is a brace.
    Raises ConfigError for a name that there is not, or a format that does not fit."""
    try:
        return _FILLER.vformat(template, (), values)
    except KeyError as error:
        known = ", ".join(values)
        raise ConfigError(f"The text {template!r} asks for {{{error.args[0]}}}, which is not there.", mend=f"There are: {known}.") from None
    except ValueError as error:
        raise ConfigError(f"The text {template!r} cannot be filled: {error}.", mend="Write {NAME}, or {NAME:.1f}; {{ is a brace.") from None


def names(template: str) -> list[str]:
    """The names that a template asks for. Raises ConfigError for a stray brace."""
    try:
        return [name for _, name, _, _ in _FILLER.parse(template) if name is not None]
    except ValueError as error:
        raise ConfigError(f"The text {template!r} cannot be filled: {error}.", mend="Write {NAME}, or {NAME:.1f}; {{ is a brace.") from None


def check_names(template: str, known: Iterable[str], where: str) -> None:
    """Raise ConfigError for a name in the template that is not among those known."""
    have = dict.fromkeys(known)
    for name in names(template):
        if name not in have and name.upper() not in have:
            raise ConfigError(f"{where} asks for {{{name}}}, which is not there.", mend=f"There are: {', '.join(have)}.")
