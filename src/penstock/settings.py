"""Every setting: its name, type, default and meaning. One definition is the check and the documentation (docs/settings.md).

Names are ksqlDB's or Kafka's where one exists. A query's settings come from SET or ALTER SYSTEM in SQL, or from the `properties` of
`penstock.connect`; the prefix `ksql.streams.` means the same as none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as OneOf

from penstock.errors import ConfigError

SettingType = OneOf["boolean", "integer", "string", "choice"]
Value = bool | int | str


@dataclass(frozen=True)
class Setting:
    """A setting. `choices` are for a choice, `minimum` for an integer. `no_effect` says, of a setting that exists only so that
    statements written for ksqlDB run as they stand, why it does nothing here."""

    name: str
    type: SettingType
    default: Value
    documentation: str
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    no_effect: str = ""
    at_opening: bool = False
    """Whether it holds from when the database is opened, so that a client's request cannot set it."""

    def parse(self, text: str) -> Value:
        """The value of a text. Raises ConfigError."""
        match self.type:
            case "boolean":
                if text.lower() not in ("true", "false"):
                    raise ConfigError(f"'{self.name}' is true or false, not '{text}'.")
                return text.lower() == "true"
            case "integer":
                if not re.fullmatch(r"-?\d+", text.strip()):
                    raise ConfigError(f"'{self.name}' is a whole number, not '{text}'.")
                if self.minimum is not None and int(text) < self.minimum:
                    raise ConfigError(f"'{self.name}' is at least {self.minimum}, not {text}.")
                return int(text)
            case "choice":
                found = next((choice for choice in self.choices if choice.lower() == text.lower()), None)
                if found is None:
                    raise ConfigError(f"'{self.name}' cannot be '{text}'.", mend=f"It is one of: {', '.join(self.choices)}.")
                return found
            case "string":
                return text


_ONE_PROCESS = "Penstock is one process."
_FORMATS = ("AVRO", "DELIMITED", "JSON", "JSON_SR", "KAFKA", "NONE", "PROTOBUF", "PROTOBUF_NOSR")

_ALL = (
    Setting(
        "auto.offset.reset",
        "choice",
        "earliest",
        "Where a new query starts to read its topics: at the earliest records there are, or at those that come from now on.",
        choices=("earliest", "latest"),
    ),
    Setting(
        "cache.max.bytes.buffering",
        "integer",
        10 * 1024 * 1024,
        "With 0 a table emits every change of a key; otherwise the last change of a key in each batch that is processed. The final table is the "
        "same. A push query shows every change unless this is set.",
        minimum=0,
    ),
    Setting(
        "config.providers.env.param.allowlist.pattern",
        "string",
        ".*",
        "A regular expression: connectors may read the environment variables whose whole name matches it, by `${env:NAME}`.",
        at_opening=True,
    ),
    Setting(
        "config.providers.file.param.allowed.paths",
        "string",
        "",
        "Folders, with commas between them, below which connectors may read files, by `${file:PATH:KEY}`; the database's own folder `secrets` is "
        "always one of them.",
        at_opening=True,
    ),
    Setting(
        "connector.file.allowed.paths",
        "string",
        "",
        "Folders, with commas between them, below which connectors may read and write files. Two need no mention: the folder `files` of the "
        "database, and the folder of the file of SQL that creates the connector, from which its relative paths start. Symbolic links are followed "
        "before it is decided. It holds from when the database is opened: SET does not widen it.",
        at_opening=True,
    ),
    Setting("ksql.assert.schema.default.timeout.ms", "integer", 1000, "How long ASSERT SCHEMA without TIMEOUT waits, in ms.", minimum=0),
    Setting("ksql.assert.topic.default.timeout.ms", "integer", 1000, "How long ASSERT TOPIC without TIMEOUT waits, in ms.", minimum=0),
    Setting("ksql.functions.collect_list.limit", "integer", 1000, "How many values COLLECT_LIST keeps of a group.", minimum=1),
    Setting("ksql.functions.collect_set.limit", "integer", 1000, "How many values COLLECT_SET keeps of a group.", minimum=1),
    Setting(
        "ksql.fail.on.deserialization.error",
        "boolean",
        False,
        "Whether a record that cannot be read stops the query; otherwise it goes to the processing log and is passed over.",
    ),
    Setting("ksql.output.topic.name.prefix", "string", "", "Stands before the name of an output topic that WITH does not name."),
    Setting(
        "ksql.persistence.default.format.key",
        "choice",
        "KAFKA",
        "The key format of CREATE statements that give neither FORMAT nor KEY_FORMAT.",
        choices=_FORMATS,
    ),
    Setting(
        "ksql.persistence.default.format.value",
        "string",
        "",
        "The value format of CREATE statements that give neither FORMAT nor VALUE_FORMAT; empty: they must give one.",
    ),
    Setting(
        "ksql.persistence.wrap.single.values",
        "boolean",
        True,
        "Whether a value of one column is written as a record with one field, where WRAP_SINGLE_VALUE does not say.",
    ),
    Setting(
        "ksql.query.persistent.active.limit",
        "integer",
        2**31 - 1,
        "How many persistent queries there may be; a statement that would start one more is refused.",
        minimum=0,
    ),
    Setting(
        "ksql.query.pull.max.qps",
        "integer",
        2**31 - 1,
        "How many pull queries a database answers within a second; further ones are refused.",
        minimum=0,
    ),
    Setting(
        "ksql.query.pull.table.scan.enabled",
        "boolean",
        True,
        "Whether a pull query may read a whole table. With false only those that look up keys, or a range of a key that is one STRING, are answered.",
    ),
    Setting("ksql.sink.partitions", "integer", 0, "The number of partitions of new output topics; 0: as many as the input has.", minimum=0),
    Setting(
        "ksql.timestamp.throw.on.invalid",
        "boolean",
        False,
        "Whether a record whose timestamp column is NULL or cannot be read stops the query; otherwise it goes to the processing log and is passed "
        "over.",
    ),
    Setting(
        "key.converter",
        "string",
        "",
        "The [converter](connectors/converters.md) of the keys of connectors that give none; empty: text for sources.",
    ),
    Setting("key.converter.schemas.enable", "boolean", True, "Whether that converter, where it is JsonConverter, writes the schema into each key."),
    Setting(
        "ksql.variable.substitution.enable",
        "boolean",
        True,
        "Whether `${name}` stands for what DEFINE gave the name. It takes effect for the statements that are sent after it.",
    ),
    Setting("num.partitions", "integer", 1, "The number of partitions of a new topic of CREATE STREAM or TABLE that does not say.", minimum=1),
    Setting(
        "value.converter",
        "string",
        "",
        "The [converter](connectors/converters.md) of the values of connectors that give none; empty: for sources, AVRO for values with a schema, "
        "JSON for others, text and bytes as they stand.",
    ),
    Setting(
        "value.converter.schemas.enable", "boolean", True, "Whether that converter, where it is JsonConverter, writes the schema into each value."
    ),
    Setting("commit.interval.ms", "integer", 2000, "", no_effect="Each batch is committed as soon as it is processed."),
    Setting("default.timestamp.extractor", "string", "", "", no_effect="A record without a usable timestamp is always logged and passed over."),
    Setting("ksql.new.query.planner.enabled", "string", "", "", no_effect="There is one planner."),
    Setting("ksql.query.pull.range.scan.enabled", "boolean", True, "", no_effect="Pull queries may always do this."),
    Setting("ksql.query.pull.stream.enabled", "boolean", True, "", no_effect="Pull queries may always do this."),
    Setting("ksql.query.pull.enable.standby.reads", "boolean", False, "", no_effect=_ONE_PROCESS),
    Setting("ksql.query.pull.interpreter.enabled", "boolean", True, "", no_effect="There is one way to evaluate expressions."),
    Setting("ksql.query.pull.max.allowed.offset.lag", "integer", 0, "", no_effect=_ONE_PROCESS),
    Setting("ksql.query.pull.max.concurrent.requests", "integer", 0, "", no_effect="A database answers one pull query after the other."),
    Setting("ksql.query.push.v2.enabled", "boolean", True, "", no_effect="There is one kind of push query."),
    Setting("ksql.sink.replicas", "integer", 1, "", no_effect=_ONE_PROCESS),
    Setting("ksql.internal.topic.replicas", "integer", 1, "", no_effect=_ONE_PROCESS),
    Setting("ksql.create.or.replace.enabled", "boolean", True, "", no_effect="CREATE OR REPLACE is always there."),
    Setting("ksql.fail.on.production.error", "boolean", False, "", no_effect="A result that its topic cannot take is always logged and passed over."),
    Setting("ksql.headers.columns.enabled", "boolean", True, "", no_effect="Columns of headers are always there."),
    Setting("ksql.lambdas.enabled", "boolean", True, "", no_effect="Lambdas are always there."),
    Setting("ksql.rowpartition.rowoffset.enabled", "boolean", True, "", no_effect="ROWPARTITION and ROWOFFSET are always there."),
    Setting("ksql.source.table.materialization.enabled", "boolean", True, "", no_effect="Every table can be asked."),
    Setting("ksql.suppress.enabled", "boolean", True, "", no_effect="EMIT FINAL is always there."),
    Setting("ksql.windowed.session.key.legacy", "boolean", False, "", no_effect="Only the present form of session keys is written."),
    Setting("ksql.functions.substring.legacy.args", "boolean", False, "", no_effect="SUBSTRING counts from 1, as SQL says."),
    Setting("bootstrap.servers", "string", "", "", no_effect="The address of a database says where its topics are."),
    Setting("buffered.records.per.partition", "integer", 1000, "", no_effect="The size of batches adapts by itself."),
    Setting("compression.type", "string", "", "", no_effect="Records are kept as they are sent."),
    Setting("max.task.idle.ms", "integer", 0, "", no_effect="Records are processed in the order in which they were written."),
    Setting("producer.compression.type", "string", "", "", no_effect="Records are kept as they are sent."),
    Setting("state.dir", "string", "", "", no_effect="State lies in the database's folder."),
    Setting("task.timeout.ms", "integer", 0, "", no_effect="A query that fails is tried again from time to time."),
    Setting("num.stream.threads", "integer", 4, "", no_effect="Each query has a thread of its own."),
    Setting("num.standby.replicas", "integer", 0, "", no_effect=_ONE_PROCESS),
    Setting("processing.guarantee", "string", "exactly_once_v2", "", no_effect="Processing is always exactly once."),
    Setting("replication.factor", "integer", 1, "", no_effect=_ONE_PROCESS),
    Setting("topology.optimization", "string", "all", "", no_effect="Plans are always optimised."),
    Setting("use.exact.numeric.comparison", "boolean", True, "", no_effect="Comparisons are always exact."),
    Setting("__emit.interval.ms.kstreams.windowed.aggregation__", "integer", 0, "", no_effect="EMIT FINAL emits a window as soon as it is closed."),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _ALL}
FAMILIES = ("admin.", "consumer.", "main.consumer.", "global.consumer.", "restore.consumer.", "producer.")
"""What the names of the settings of Kafka's clients begin with: all of them are taken, and none has an effect."""


def find(name: str) -> Setting:
    """The setting of a name, in any case, with or without the prefix `ksql.streams.`. Raises ConfigError that names the nearest."""
    bare = name.strip().lower().removeprefix("ksql.streams.")
    setting = SETTINGS.get(bare) or SETTINGS.get(f"ksql.{bare}")
    if setting is None and bare.startswith(FAMILIES):
        return Setting(bare, "string", "", f"A setting of Kafka's {bare.partition('.')[0]} clients.", no_effect="Statements do not set up clients.")
    if setting is None:
        near = difflib.get_close_matches(bare, list(SETTINGS), n=1)
        mend = f"Did you mean '{near[0]}'?" if near else "SHOW PROPERTIES lists those that there are."
        raise ConfigError(f"There is no setting '{name}'.", mend=mend)
    return setting


def known(name: str) -> bool:
    """Whether there is a setting of this name."""
    try:
        find(name)
    except ConfigError:
        return False
    return True


def checked(properties: Mapping[str, object]) -> dict[str, str]:
    """The properties under their own names, each value as the text it stands for. Raises ConfigError for an unknown name or a bad value."""
    result = {}
    for name, given in properties.items():
        setting = find(name)
        value = setting.parse(str(given))
        result[setting.name] = text_of(value)
    return result


def of_request(properties: Mapping[str, object]) -> dict[str, str]:
    """The properties that a client sends along with a request, as `checked` returns them. Raises ConfigError also for what a request cannot set."""
    result = checked(properties)
    for name in result:
        if find(name).at_opening:
            raise ConfigError(f"'{name}' holds from when the database is opened; a request cannot set it.")
    return result


def value(properties: Mapping[str, str], name: str) -> Value:
    """The value of a setting, or its default. `properties` are such as `checked` returns."""
    setting = SETTINGS[name]
    return setting.parse(properties[name]) if name in properties else setting.default


def page() -> str:
    """docs/settings.md."""
    active = [s for s in _ALL if not s.no_effect]
    lines = [
        "# Settings",
        "",
        "Set them for a session by `SET 'auto.offset.reset' = 'earliest';` in SQL, or for a database by",
        "`penstock.connect(path, properties={...})`; `ALTER SYSTEM 'auto.offset.reset' = 'earliest';` keeps one with the database.",
        "The prefix `ksql.streams.` means the same as none.",
        "",
        "| name | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for setting in active:
        kind = setting.type if not setting.choices else " or ".join(f"`{choice}`" for choice in setting.choices)
        lines.append(f"| `{setting.name}` | {kind} | {_shown(setting.default)} | {setting.documentation} |")
    lines += ["", "## Accepted, without effect", "", "Statements written for ksqlDB may set these; Penstock takes them and does nothing.", ""]
    lines += ["| name | why |", "| --- | --- |"]
    lines += [f"| `{setting.name}` | {setting.no_effect} |" for setting in _ALL if setting.no_effect]
    return "\n".join(lines)


def text_of(value: Value) -> str:
    """A value as SET writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(default: Value) -> str:
    text = text_of(default)
    return f"`{text}`" if text else "empty"
