"""Templates over a record: `{COLUMN}` stands for a column's value, escaped for where it stands, so that data cannot change the structure.

In a JSON template the placeholders stand inside strings, and the JSON is parsed before anything is put in: a value with quotes or braces stays
a value. `{COLUMN:json}`, alone in a string, puts the value itself there (a number, a list) in place of the string. In a URL values are
percent-encoded; in plain text they stand as they are. `{{` and `}}` are braces.
Beside the columns there are `{topic}`, `{partition}`, `{offset}`, `{timestamp}` (ms) and `{key}` (the key's columns, with commas between them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from penstock.connect.records import Record
from penstock.connect.secrets import REFERENCE, Secrets
from penstock.connect.text import json_text, plain_text
from penstock.errors import ConfigError

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_RECORD_FIELDS: dict[str, Callable[[Record], Any]] = {
    "topic": lambda r: r.topic,
    "partition": lambda r: r.partition,
    "offset": lambda r: r.offset,
    "timestamp": lambda r: r.timestamp,
    "key": lambda r: ",".join(plain_text(r.columns.get(name)) for name in r.key_columns),
}

Text = Callable[[Record], str]
Lookup = Callable[[Record], Any]


def plain_template(template: str, option: str, columns: frozenset[str] | None, escape: Callable[[str], str] = str) -> Text:
    """Compile a template of plain text. Raises ConfigError for a column that there is not (where `columns` is known) or a stray brace."""
    parts: list[str | Lookup] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        parts.append(template[end : match.start()])
        end = match.end()
        if match[0] in ("{{", "}}"):
            parts.append(match[0][0])
        elif match[1] is None:
            raise ConfigError(f"'{option}' holds a single '{match[0]}'.", mend="Write it twice to mean the brace itself.")
        else:
            parts.append(_lookup(match[1].strip(), option, columns))
    parts.append(template[end:])
    return lambda record: "".join(part if isinstance(part, str) else escape(plain_text(part(record))) for part in parts)


def url_template(template: str, option: str, columns: frozenset[str] | None) -> Text:
    """Compile a URL's template: values are percent-encoded whole, so that none can reach another path or add a parameter.
    Confluent's `${topic}`, `${key}` and `${COLUMN}` mean the same as ours."""
    return plain_template(re.sub(r"\$\{(\w+)\}", r"{\1}", template), option, columns, lambda text: quote(text, safe=""))


def body_template(template: str, option: str, columns: frozenset[str] | None, secrets: Secrets, *, is_json: bool = False) -> tuple[Text, bool]:
    """Compile the template of a body, and say whether that is JSON: it is where `is_json`, and where the template looks like it."""
    if is_json or (template.lstrip().startswith(("{", "[")) and not re.match(r"\s*\{\w+\}", template)):
        value = json_template(template, option, columns, secrets)
        return (lambda record: json_text(value(record))), True
    return plain_template(with_secrets(template, option, secrets), option, columns), False


def with_secrets(template: str, option: str, secrets: Secrets) -> str:
    """A plain template with its secrets in their place, their braces doubled so that they stay text."""
    return REFERENCE.sub(lambda match: secrets.resolve(match[0], option).replace("{", "{{").replace("}", "}}"), template)


def json_template(template: str, option: str, columns: frozenset[str] | None, secrets: Secrets) -> Callable[[Record], Any]:
    """Compile a JSON template to a function from a record to a value for `json_text`. References to secrets are resolved inside its strings."""
    try:
        shape = json.loads(template)
    except json.JSONDecodeError as error:
        raise ConfigError(f"'{option}' is not JSON: {error.msg} at character {error.pos + 1}.", mend="Placeholders stand inside strings.") from error
    return _compiled(shape, option, columns, secrets)


def _compiled(shape: Any, option: str, columns: frozenset[str] | None, secrets: Secrets) -> Callable[[Record], Any]:
    if isinstance(shape, dict):
        fields = [(_string(k, option, columns, secrets), _compiled(v, option, columns, secrets)) for k, v in shape.items()]
        return lambda record: {key(record): value(record) for key, value in fields}
    if isinstance(shape, list):
        items = [_compiled(v, option, columns, secrets) for v in shape]
        return lambda record: [item(record) for item in items]
    if isinstance(shape, str):
        typed = re.fullmatch(r"\{([^{}]+):json\}", shape)
        if typed:
            return _lookup(typed[1].strip(), option, columns)
        return _string(shape, option, columns, secrets)
    return lambda _: shape


def _string(text: str, option: str, columns: frozenset[str] | None, secrets: Secrets) -> Text:
    """A string with placeholders and references to secrets; a secret's own braces are only text."""
    pieces = re.split(r"(\$\{(?:env|file):[^}]*\})", text)
    compiled: list[Text] = []
    for piece in pieces:
        if piece.startswith("${"):
            value = secrets.resolve(piece, option)
            compiled.append(lambda _, value=value: value)  # type: ignore[misc]
        else:
            compiled.append(plain_template(piece, option, columns))
    return lambda record: "".join(part(record) for part in compiled)


def _lookup(name: str, option: str, columns: frozenset[str] | None) -> Lookup:
    """A column by its name as written or in upper case, or a field of the record."""
    known = [candidate for candidate in (name, name.upper()) if columns is not None and candidate in columns]
    if known:
        return lambda record: record.columns.get(known[0])
    if name in _RECORD_FIELDS:
        return _RECORD_FIELDS[name]
    if columns is not None:
        raise ConfigError(f"'{option}' asks for {{{name}}}, but the records have no such column.", mend=f"They have: {', '.join(sorted(columns))}.")
    return lambda record: record.columns.get(name, record.columns.get(name.upper()))
