"""What the options of Debezium's connectors share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from penstock.connect.changes.envelope import NameFilter, topic_name
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import SourceRecord
from penstock.errors import ConfigError
from penstock.sql.types import BIGINT, STRING, Field, Struct

COMMON_OPTIONS = (
    Option("database.hostname", "string", "The server's name or address.", REQUIRED),
    Option("database.user", "string", "The user.", REQUIRED),
    Option("database.password", "password", "The user's password.", None),
    Option(
        "topic.prefix",
        "string",
        "The first part of the topics' names, and the name of the server in the records.",
        REQUIRED,
        aliases=("database.server.name",),
    ),
    Option(
        "table.include.list",
        "list",
        "Regular expressions of the tables to capture, with what stands before the name: `public.customers`, `demo.customers`. Empty: all.",
        (),
        aliases=("table.whitelist",),
    ),
    Option("table.exclude.list", "list", "Regular expressions of tables to leave out.", (), aliases=("table.blacklist",)),
    Option(
        "snapshot.mode",
        "choice",
        "`initial`: first all rows, then changes; `never` (or `no_data`): changes alone; `initial_only`: rows alone; `always`: rows at each start; "
        "`when_needed`: as `initial`, and again where the server no longer has the log from the last position on.",
        "initial",
        choices=("initial", "never", "no_data", "schema_only", "initial_only", "always", "when_needed"),
    ),
    Option("tombstones.on.delete", "boolean", "Whether a tombstone follows a delete.", True),
    Option(
        "decimal.handling.mode",
        "choice",
        "What becomes of NUMERIC: `precise` a DECIMAL, `double` a DOUBLE, `string` text.",
        "precise",
        choices=("precise", "double", "string"),
    ),
    Option("skipped.operations", "list", "Kinds of changes to leave out: `c`, `u`, `d`, `t` (truncate), or `none`.", ("t",)),
    Option("max.batch.size", "integer", "At most so many records at once.", 2_048, minimum=1),
    Option("heartbeat.interval.ms", "integer", "How often to write a record that only says that the connector lives, in ms; 0: never.", 0, minimum=0),
    Option("heartbeat.topics.prefix", "string", "The topic of these records is this, a dot and `topic.prefix`.", "__debezium-heartbeat"),
    Option("heartbeat.action.query", "string", "A statement to run in the database with each of them.", None),
)

START_ANEW = "DROP the connector and create it again: it then reads the tables anew. With 'snapshot.mode'='when_needed' it does so by itself."
"""What to do where the server no longer has the log from the last position on."""


def capture_documentation(schema: str) -> str:
    """What every capture's documentation begins with; `schema` is what stands before a table's name."""
    return f"""\
Each table becomes a topic, `PREFIX.{schema}.TABLE`. A record's key is the primary key; its value is Debezium's envelope: `before`, `after`, `source`,
`op` (`c` create, `u` update, `d` delete, `r` read by the snapshot), `ts_ms`. A delete is followed by a tombstone; a change of the primary key is a
delete and a create. The transform `ExtractNewRecordState` leaves the row alone.

**Nothing is lost or doubled.** The snapshot is consistent with a place of the log, and the stream begins there. Positions are committed with the
records. A snapshot that is cut short goes on after the last key with another one, and what each has seen already is left out of the stream.

"""


HEARTBEAT_KEY = Struct((Field("serverName", STRING),))
HEARTBEAT_VALUE = Struct((Field("ts_ms", BIGINT),))


def common_names(options: Mapping[str, Any]) -> tuple[str, NameFilter]:
    """The topics' prefix and the filter of tables, both checked. Raises ConfigError."""
    for name in ("table.include.list", "table.exclude.list", "schema.include.list", "schema.exclude.list", "database.include.list"):
        for pattern in options.get(name, ()):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ConfigError(f"'{name}' holds {pattern!r}, which is no regular expression: {error}.") from None
    unknown = set(options["skipped.operations"]) - {"c", "u", "d", "t", "none"}
    if unknown:
        raise ConfigError(f"'skipped.operations' holds '{min(unknown)}'.", mend="There are c, u, d, t and none.")
    return options["topic.prefix"], NameFilter(options["table.include.list"], options["table.exclude.list"])


def snapshot_mode(options: Mapping[str, Any]) -> str:
    """`snapshot.mode`, by the first of its names."""
    mode: str = options["snapshot.mode"]
    return "never" if mode in ("no_data", "schema_only") else mode


class Heartbeat:
    """Says by a record now and then that the connector lives."""

    def __init__(self, options: Mapping[str, Any], prefix: str) -> None:
        self._interval_s: float = options["heartbeat.interval.ms"] / 1000
        self._topic = topic_name(options["heartbeat.topics.prefix"], prefix)
        self._query: str | None = options["heartbeat.action.query"]
        self._prefix = prefix
        self._due_s = time.monotonic() + self._interval_s

    def left_s(self) -> float | None:
        """The time until the next is due; None: there is none."""
        return max(0.0, self._due_s - time.monotonic()) if self._interval_s else None

    def due(self, run: Callable[[str], object]) -> SourceRecord | None:
        """The record, where it is time for it. `run` runs the statement that goes with it."""
        if not self._interval_s or time.monotonic() < self._due_s:
            return None
        self._due_s = time.monotonic() + self._interval_s
        if self._query:
            run(self._query)
        value = {"ts_ms": time.time_ns() // 1_000_000}
        return SourceRecord(self._topic, value, key={"serverName": self._prefix}, value_schema=HEARTBEAT_VALUE, key_schema=HEARTBEAT_KEY)
