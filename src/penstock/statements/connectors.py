"""CREATE, DROP and DESCRIBE CONNECTOR, and the records that connectors read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Literal as OneOf

from penstock import settings
from penstock.catalog.model import Connector, DataSource, State
from penstock.connect.life import TaskStatus
from penstock.connect.records import Record
from penstock.connect.runtime import ConnectorStatus, ConnectRuntime, kind_of
from penstock.connect.task import Defaults
from penstock.errors import ConfigError, ConnectorError, Position, TopicError
from penstock.log.names import check_not_own
from penstock.result import Result
from penstock.sql import ast
from penstock.sql.types import BIGINT, SqlType
from penstock.statements.records import Reader

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.database import Database


_logger = logging.getLogger("penstock.connect")


def open_runtime(db: Database) -> ConnectRuntime:
    """The connector runtime of a database; secrets lie in the folder `secrets` of the database and files in `files`, or where the
    settings allow."""
    secrets = _folders(db, "config.providers.file.param.allowed.paths")
    files, barred = _folders(db, "connector.file.allowed.paths"), []
    if db.path != ":memory:":
        home = Path(db.path)
        secrets.append(home / "secrets")
        files.append(home / "files")
        barred.append(home)
    pattern = str(settings.value(db.properties, "config.providers.env.param.allowlist.pattern"))
    return ConnectRuntime(
        db.log,
        lambda topics: TopicReader(db, topics),
        db.schemas,
        secret_folders=secrets,
        file_folders=files,
        barred_folders=barred,
        env_pattern=pattern,
        defaults=lambda: defaults(db),
    )


def _folders(db: Database, setting: str) -> list[Path]:
    """The folders of a setting."""
    return [Path(folder.strip()) for folder in str(settings.value(db.properties, setting)).split(",") if folder.strip()]


def defaults(db: Database) -> Defaults:
    """What the settings say of connectors that do not say it themselves."""
    names = [name for name in settings.SETTINGS if name.startswith(("key.converter", "value.converter"))]
    converters = {name: text for name in names if (text := str(settings.value(db.properties, name)).lower())}
    return Defaults(int(settings.value(db.properties, "num.partitions")), converters)


class TopicReader:
    """Decoded records of topics: `connect.records.RecordReader` over the log and the catalog. A topic that is no source's gives bare records."""

    def __init__(self, db: Database, topics: Sequence[str]) -> None:
        self._db = db
        self._sources: dict[str, DataSource | None] = {}
        for topic in topics:
            check_not_own(topic)
            if db.log.topic(topic) is None:
                raise TopicError(f"There is no topic {topic!r}.", mend="SHOW TOPICS lists them.")
            self._sources[topic] = next((s for s in reversed(db.catalog.sources()) if s.topic == topic), None)

    def partitions(self) -> list[tuple[str, int]]:
        """Every (topic, partition) there is to read."""
        found = []
        for topic in self._sources:
            info = self._db.log.topic(topic)
            found += [(topic, p) for p in range(info.partitions if info else 0)]
        return found

    def columns(self) -> frozenset[str] | None:
        """The columns that the sources of all topics have, None where a topic is no source's."""
        shared: frozenset[str] | None = None
        for source in self._sources.values():
            if source is None:
                return None
            names = frozenset(c.name for c in source.schema.columns)
            names |= {"WINDOWSTART", "WINDOWEND"} if source.window else frozenset()
            shared = names if shared is None else shared & names
        return shared

    def types(self, topic: str) -> Mapping[str, SqlType] | None:
        """The types of a topic's columns; of a windowed key its bounds too. None where the topic is no source's."""
        source = self._sources.get(topic)
        if source is None:
            return None
        headers = {h.name for h in source.headers}
        bounds = {"WINDOWSTART": BIGINT, "WINDOWEND": BIGINT} if source.window else {}
        key = {c.name: c.type for c in source.schema.key}
        return {**key, **bounds, **{c.name: c.type for c in source.schema.value if c.name not in headers}}

    def read(self, topic: str, partition: int, offset: int, max_records: int) -> list[Record]:
        """At most `max_records` records from `offset` on."""
        batch = self._db.log.read(topic, partition, offset, max_records=max_records)
        source = self._sources[topic]
        if batch.num_rows == 0:
            return []
        return raw_records(topic, partition, batch) if source is None else self._decoded(source, partition, batch)

    def _decoded(self, source: DataSource, partition: int, batch: pa.RecordBatch) -> list[Record]:
        reader = Reader(self._db, source)
        records = []
        for bare, read in zip(raw_records(source.topic, partition, batch), reader.read(batch, partition), strict=True):
            key = {**(read.key or dict.fromkeys(reader.key_names)), **read.bounds}
            value = {} if bare.tombstone else read.value or dict.fromkeys(reader.value_names)
            columns = {} if read.problem else {**key, **value}
            records.append(replace(bare, columns=columns, key_columns=tuple(key), error=read.problem or None))
        return records


def raw_records(topic: str, partition: int, batch: pa.RecordBatch) -> list[Record]:
    """Records as stored, without columns."""
    return [
        Record(
            topic, partition, row["offset"], row["timestamp"], {}, (), row["value"] is None, row["key"], row["value"],
            tuple((h["key"], h["value"]) for h in row["headers"] or ()),
        )
        for row in batch.to_pylist()
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------- statements


def create_connector(db: Database, statement: ast.CreateConnector) -> Result:
    """Check its options, keep it, start it. Raises ConnectorError or ConfigError."""
    if db.catalog.connector(statement.name) is not None:
        if statement.if_not_exists:
            return Result(f"Connector {statement.name} exists already.", done=False)
        raise ConnectorError(f"A connector {statement.name} exists already.", mend="DROP it first, or choose another name.").at(statement.position)
    properties = {name: text_of(value) for name, value in statement.properties.items()}
    _create(db, statement.kind, statement.name, properties, db.script_folder)
    return Result(f"Connector {statement.name} is created and runs.")


def _create(
    db: Database, kind: OneOf["SOURCE", "SINK"], name: str, properties: dict[str, str], folder: Path | None, state: State = "RUNNING"
) -> None:
    db.connectors.check(kind, name, properties, folder=folder)
    db.catalog.put(Connector(name, kind, properties, state, None if folder is None else str(folder)))
    db.connectors.start(kind, name, properties, folder=folder, paused=state != "RUNNING")


def ensure_connector(db: Database, name: str, config: Mapping[str, object], folder: Path | None = None, state: State = "RUNNING") -> Result:
    """See to it that there is a connector of this configuration: make it (in that state), leave it as it is, or start it anew with what has changed,
    from where it was. Raises ConnectorError or ConfigError."""
    for option, value in config.items():
        if isinstance(value, Mapping | list | tuple):
            raise ConfigError(f"The option '{option}' is no text, number or truth value but {value!r}.", mend="Lists are texts with commas.")
    properties = {option: text_of(value) for option, value in config.items() if option != "name"}
    kind = kind_of(properties)
    known = db.catalog.connector(name)
    if known is None:
        _create(db, kind, name, properties, folder, state)
        return Result(f"Connector {name} is created and runs.")
    if known.kind != kind:
        raise ConnectorError(f"{name} is a {known.kind} connector, not a {kind}.", mend="DROP it first, or choose another name.")
    if known.options == properties and known.folder == (None if folder is None else str(folder)):
        return Result(f"Connector {name} goes on{_RESTS[known.state]}.")
    db.connectors.check(kind, name, properties, folder=folder)
    db.connectors.stop(name)
    db.catalog.put(replace(known, options=properties, folder=None if folder is None else str(folder)))
    db.connectors.start(kind, name, properties, folder=folder, paused=known.state != "RUNNING")
    return Result(f"Connector {name} goes on with its changed configuration{_RESTS[known.state]}.")


def text_of(value: object) -> str:
    """An option's value as text."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def drop_connector(db: Database, statement: ast.DropConnector) -> Result:
    """Stop a connector and forget it with its positions; say what stays at its far side."""
    with db.alone():
        if statement.if_exists and db.catalog.connector(statement.name) is None:
            return Result(f"There is no connector {statement.name}.", done=False)
        connector = known_connector(db, statement.name, statement.position)
        db.catalog.drop(connector)
        finish = db.connectors.begin_drop(connector.name)
    left = finish()
    if left and db.session.remote:  # whose answer need not show the message
        _logger.warning("connector %s is dropped. %s", connector.name, " ".join(left))
    return Result(" ".join([f"Connector {connector.name} is dropped.", *left]))


def pause_connector(db: Database, statement: ast.PauseConnector) -> Result:
    """Stop the tasks and wait until they rest; they stay so when the database is opened again."""
    at_rest = change_state(db, statement.name, "PAUSED", statement.position)
    return Result(f"Connector {statement.name} is paused{'' if at_rest else '; a request of it is still under way'}.")


def resume_connector(db: Database, statement: ast.ResumeConnector) -> Result:
    """Let a paused connector go on, and a failed one try again at once."""
    change_state(db, statement.name, "RUNNING", statement.position)
    return Result(f"Connector {statement.name} runs.")


def change_state(db: Database, name: str, state: State, position: Position | None = None) -> bool:
    """Let a connector run (one that failed tries again at once) or rest, now and when the database is opened again. False where what is under way
    goes on for some time yet. Raises ConnectorError where there is none of the name."""
    with db.alone():
        db.catalog.put(replace(known_connector(db, name, position), state=state))
        if state == "RUNNING":
            db.connectors.resume(name)
            return True
        rest = db.connectors.begin_pause(name)
    return rest()


def known_connector(db: Database, name: str | None, position: Position | None = None) -> Connector:
    """The connector of a name, which stands at `position`. Raises ConnectorError."""
    connector = None if name is None else db.catalog.connector(name)
    if connector is None:
        raise ConnectorError(f"There is no connector {name}.", mend="SHOW CONNECTORS lists them.").at(position)
    return connector


def state_of(connector: Connector, status: ConnectorStatus) -> str:
    """A connector's state in a word."""
    return "STOPPED" if connector.state == "STOPPED" else status.state


def tasks_of(connector: Connector, status: ConnectorStatus) -> tuple[TaskStatus, ...]:
    """A connector's tasks; one that is stopped has none, as in Kafka Connect."""
    return () if connector.state == "STOPPED" else status.tasks


def describe_connector(db: Database, statement: ast.Describe) -> Result:
    """A connector's state, tasks, topics, places and options."""
    connector = known_connector(db, statement.name, statement.position)
    if db.read_only:
        raise ConnectorError("A connector's state is known only to the process that runs it.")
    status = db.connectors.status(connector.name)
    rows: list[tuple[Any, ...]] = [("Name", status.name), ("Type", status.kind), ("Class", status.class_name), ("State", state_of(connector, status))]
    for task in tasks_of(connector, status):
        why = f": {task.reason}" if task.reason else ""
        rows.append((f"Task {task.id}", f"{task.state}, {task.delivered} {_DONE[status.kind]}, {task.refused} refused{why}"))
    if status.kind == "SINK":
        for (topic, partition), offset in sorted(db.log.committed(f"connect-{status.name}").items()):
            rows.append((f"Topic {topic}-{partition}", f"{offset} of {db.log.end_offset(topic, partition)}"))
    else:
        places = sorted(db.connectors.positions(status.name).items())
        rows += [(f"Position {part}", json.dumps(place, ensure_ascii=False)) for part, place in places]
    rows += [(f"Option {name}", value) for name, value in status.options.items()]
    return Result(columns=("PROPERTY", "VALUE"), rows=rows)


_RESTS = {"RUNNING": "", "PAUSED": " (it is paused)", "STOPPED": " (it is stopped)"}
_DONE = {"SOURCE": "brought in", "SINK": "delivered"}

RUN: dict[type, Callable[[Database, Any], Result]] = {
    ast.CreateConnector: create_connector,
    ast.DropConnector: drop_connector,
    ast.PauseConnector: pause_connector,
    ast.ResumeConnector: resume_connector,
}
