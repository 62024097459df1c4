"""The documentation of the functions, from their definitions: docs/sql/functions.md, and what DESCRIBE FUNCTION shows."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.functions.define import Function
from penstock.functions.resolution import all_functions

_INTRODUCTION = """# Functions

Every function that SQL can call. This page is made from the definitions in `src/penstock/functions/`; the examples are run as tests.

`T`, `K`, `V` and other single letters stand for any type, `N` for any number or comparable value of one type, `UNIT` for a bare unit of time such as
DAYS, and `...` for any number of arguments. An argument of a narrower number type is widened: INTEGER to BIGINT to DECIMAL to DOUBLE. Unless a
function says otherwise, it is NULL where an argument is. In the examples of aggregates `[1, 2, NULL]` stands for the values of a column.
"""


def pages() -> Iterator[tuple[str, str]]:
    """Each generated page: its path below docs/, and its text."""
    yield "sql/functions.md", page()


def page() -> str:
    """The text of docs/sql/functions.md."""
    groups: dict[str, list[Function]] = {}
    for function in all_functions():
        if function.builtin:
            groups.setdefault(function.group, []).append(function)
    order = sorted(groups, key=lambda group: (["SCALAR", "AGGREGATE", "TABLE"].index(groups[group][0].kind), group))
    parts = [_INTRODUCTION]
    for group in order:
        title = f"{group}: {{}}".format(", ".join(f"[{f.name}](#{f.name.lower()})" for f in groups[group]))
        parts.append(f"- {title}")
    for group in order:
        parts.append(f"\n## {group}\n")
        parts.extend(section(function) for function in groups[group])
    return "\n".join(parts)


def section(function: Function) -> str:
    """One function in Markdown: its forms, what it does, its parameters, its examples."""
    lines = [f"### {function.name}", "", "```sql", *function.shown, "```", "", function.summary, ""]
    if function.details:
        lines += [function.details, ""]
    if function.parameters:
        lines += [*(f"- `{name}`: {told}" for name, told in function.parameters.items()), ""]
    lines += ["```sql", *(f"{e.call} -> {e.result}" for e in function.examples), "```", ""] if function.examples else []
    return "\n".join(lines)


def text(function: Function) -> str:
    """One function in plain text, as DESCRIBE FUNCTION shows it."""
    lines = [f"{function.name} ({function.kind.lower()} function, {function.group})", "", function.summary]
    if function.details:
        lines += ["", function.details]
    lines += ["", "Forms:", *(f"  {shown}" for shown in function.shown)]
    if function.parameters:
        lines += ["", "Parameters:", *(f"  {name}: {told}" for name, told in function.parameters.items())]
    if function.examples:
        lines += ["", "Examples:", *(f"  {e.call} -> {e.result}" for e in function.examples)]
    return "\n".join(lines)

