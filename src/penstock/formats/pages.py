"""The formats' documentation, from their definitions: docs/sql/formats.md."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.formats import formats
from penstock.formats.definition import Format


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, text) of the page."""
    yield "sql/formats.md", "\n".join([*_head(), *(line for definition in formats() for line in _section(definition))])


def _head() -> list[str]:
    lines = [
        "# Formats",
        "",
        "The WITH clause names the format of a source's keys (`KEY_FORMAT`) and values (`VALUE_FORMAT`), or of both (`FORMAT`).",
        "",
        "| format | of keys | of values | several key columns | schemas in the registry | `WRAP_SINGLE_VALUE` |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| [{d.name}](#{d.name.lower()}) | {_word(d.as_key)} | {_word(d.as_value)} | {_word(d.multi_column_keys)} | {d.schema_type or 'no'} "
        f"| {_wrapping(d)} |"
        for d in formats()
    ]
    return [
        *lines,
        "",
        "A key of one column stands by itself in the bytes, where the format can do that; a key of several columns is a record with a field each.",
        "A value of one column is a record with one field, unless `WRAP_SINGLE_VALUE` is false (or `ksql.persistence.wrap.single.values` is).",
        "",
        "A record that does not fit is written to the processing log with the reason, and the query goes on without it. Where a format has",
        "schemas, a statement without columns takes them from the newest schema of the subject `TOPIC-key` or `TOPIC-value`, or from the one that",
        "`KEY_SCHEMA_ID` or `VALUE_SCHEMA_ID` pins; a statement with columns registers their schema, which must be compatible with the subject's",
        "earlier ones.",
    ]


def _section(definition: Format) -> list[str]:
    lines = ["", f"## {definition.name}", "", definition.summary, "", definition.description]
    if definition.options:
        lines += ["", "| option | meaning |", "| --- | --- |"]
        lines += [f"| {', '.join(f'`{name}`' for name in names.split(', '))} | {meaning} |" for names, meaning in definition.options.items()]
    return lines


def _word(able: bool) -> str:
    return "yes" if able else "no"


def _wrapping(definition: Format) -> str:
    if definition.can_wrap:
        return "true (the default) or false" if definition.can_unwrap else "true only"
    return "false only" if definition.can_unwrap else "-"
