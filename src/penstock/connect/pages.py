"""The connectors' documentation, from their definitions: docs/connectors/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from penstock.connect.contract import Definition, definitions
from penstock.connect.options import Option, default_text
from penstock.connect.transforms import pages as transform_pages


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, text) of each connector's page and of the list of them."""
    for definition in definitions():
        yield f"connectors/{file_name(definition)}", _page(definition)
    lines = ["# Connectors", "", "| class | kind | what it does |", "| --- | --- | --- |"]
    lines += [f"| [{d.class_names[0]}]({file_name(d)}) | {d.kind.lower()} | {d.summary} |" for d in definitions()]
    lines += [
        "",
        "Secrets stay out of statements: `${env:NAME}` is an environment variable, `${file:PATH:KEY}` the line `KEY=...` of a file below an allowed",
        "folder (see [settings](../settings.md)). They are read when a task starts; what is stored and shown is the reference.",
        "",
        "Every connector takes [transforms](transforms.md) and [converters](converters.md).",
        "",
        "`CREATE SOURCE CONNECTOR name WITH (...)` and `CREATE SINK CONNECTOR` make one, `SHOW CONNECTORS` and `DESCRIBE CONNECTOR name` say how it",
        "is, `PAUSE CONNECTOR` and `RESUME CONNECTOR` halt it and let it go on, `DROP CONNECTOR` forgets it with its place. The same from a JSON",
        "file, as Kafka Connect takes it: `penstock run pipeline.sql --connector mqtt.json` (or a folder), where what runs already goes on, and what",
        "is configured anew starts again from where it was. From Python: `db.create_connector(name, config)`. Over the network:",
        "[Kafka Connect's REST interface](../server.md#connect) of `penstock server`, which takes the same files.",
        "",
        "A source's records and its position become durable in one transaction: what the far side can give again from a position is in its topic",
        "exactly once. Topics are made at their first record. A failed task starts again by itself, later and later, from where it was.",
    ]
    yield "connectors/README.md", "\n".join(lines)
    yield from transform_pages.pages()


def file_name(definition: Definition) -> str:
    """The page of a connector: `http_sink.md` for HttpSink."""
    name = definition.class_names[0]
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name)) + ".md"


def _page(definition: Definition) -> str:
    own = [option for option in definition.all_options if option in definition.options]
    general = [option for option in definition.all_options if option not in definition.options]
    return "\n".join(
        [
            f"# {definition.class_names[0]}",
            "",
            definition.summary,
            "",
            f"`connector.class`: {', '.join(f'`{name}`' for name in definition.class_names)}",
            "",
            "```sql",
            definition.example,
            "```",
            "",
            definition.documentation,
            "",
            "## Options",
            "",
            *_table(own),
            "",
            f"## Options of every {definition.kind.lower()}",
            "",
            *_table(general),
        ]
    )


def _table(options: Sequence[Option]) -> list[str]:
    lines = ["| option | type | default | meaning |", "| --- | --- | --- | --- |"]
    for option in options:
        kind = " or ".join(f"`{choice}`" if choice else "empty" for choice in option.choices) if option.choices else option.type
        also = f" Also written {', '.join(f'`{alias}`' for alias in option.aliases)}." if option.aliases else ""
        default = default_text(option).replace("|", "\\|")
        lines.append(f"| `{option.name}` | {kind} | {default} | {option.documentation}{also} |")
    return lines
