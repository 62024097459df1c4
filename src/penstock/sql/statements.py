"""The statements: what each is called, how it is written, what it does, an example. docs/sql/statements.md is made from this.

In `syntax`, [ ] may be left out, | separates choices, ... repeats, and words in lower case stand for what you name.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.sql import ast


@dataclass(frozen=True)
class Definition:
    """One kind of statement. `nodes`: the classes of ast.py that it is parsed to; every example parses to one of them."""

    name: str
    nodes: tuple[type[ast.Statement], ...]
    syntax: str
    does: str
    examples: tuple[str, ...]


QUERY = """SELECT expression [[AS] name], ... | * | source.* | struct->*
  FROM source [[AS] name]
    [[INNER | LEFT [OUTER] | RIGHT [OUTER] | FULL [OUTER]] JOIN source [[AS] name]
       [WITHIN duration | (before, after) [GRACE PERIOD duration]] ON condition] ...
  [WINDOW TUMBLING (SIZE duration [, RETENTION duration] [, GRACE PERIOD duration])
        | HOPPING (SIZE duration, ADVANCE BY duration [, RETENTION duration] [, GRACE PERIOD duration])
        | SESSION (gap [, RETENTION duration] [, GRACE PERIOD duration])]
  [WHERE condition] [GROUP BY value, ...] [PARTITION BY value, ...] [HAVING condition]
  [EMIT CHANGES | EMIT FINAL] [LIMIT n]"""

STATEMENTS: tuple[Definition, ...] = (
    Definition(
        "SELECT",
        (ast.Query,),
        QUERY,
        "Asks a query. With EMIT CHANGES it is a push query: it goes on, and every change of the result is a row; a row "
        "that a table deletes comes with its key and window, and NULL in all other columns. Without EMIT it is a pull query: it answers once from "
        "what is there now. A table's rows come partition by partition, and in each by key and window. A duration is a whole number and "
        "MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS, WEEKS, MONTHS (30 days) or YEARS (365 days); the singular does as well.",
        (
            "SELECT room, COUNT(*) AS readings\n  FROM temperatures WINDOW TUMBLING (SIZE 1 HOUR) WHERE celsius > 30 GROUP BY room EMIT CHANGES;",
            "SELECT * FROM latest_temperatures WHERE room = 'kitchen';",
            "SELECT o.id, p.amount\n"
            "  FROM orders o LEFT JOIN payments p WITHIN (1 HOUR, 2 HOURS) GRACE PERIOD 10 MINUTES ON o.id = p.order_id EMIT "
            "CHANGES;",
        ),
    ),
    Definition(
        "SELECT in ordinary SQL",
        (ast.RawQuery,),
        "SELECT ... | WITH name AS (SELECT ...), ... SELECT ...",
        "A pull query in ordinary SQL, over tables and streams as they are at one moment: what streams cannot have works "
        "here, like ORDER BY, OFFSET, DISTINCT, UNION, subqueries, common table expressions and window functions. A SELECT is"
        " read so where it has no EMIT and holds something that the streaming language lacks; a join or GROUP BY that a stream"
        " could not have is too. DuckDB answers it: its functions are there, and Penstock's scalar functions that it lacks, but"
        " for those that take a lambda or a unit. ROWTIME is there where the query names it, and `->` reads a STRUCT's field.",
        (
            "SELECT name, spaces FROM carparks WHERE spaces > 0 ORDER BY GEO_DISTANCE(lat, lon, 53.79, -1.75) LIMIT 3;",
            "WITH busy AS (SELECT * FROM carparks WHERE spaces < 10) SELECT COUNT(*) FROM busy;",
        ),
    ),
    Definition(
        "CREATE STREAM, CREATE TABLE",
        (ast.CreateSource,),
        "CREATE [OR REPLACE] [SOURCE] STREAM | TABLE [IF NOT EXISTS] name\n"
        "  [(column type [KEY | PRIMARY KEY | HEADERS | HEADER('name')], ...)]\n"
        "  WITH (option = value, ...)",
        "Declares a stream or a table over a topic. Columns that are left out are taken from the topic's registered schema. A"
        " stream has KEY columns, a table PRIMARY KEY columns. SOURCE makes it read-only, and a table of that kind can be "
        "looked up by pull queries.",
        (
            "CREATE STREAM readings (sensor STRING KEY, moisture DOUBLE, taken TIMESTAMP)\n"
            "  WITH (KAFKA_TOPIC = 'readings', VALUE_FORMAT = 'JSON', PARTITIONS = 1);",
            "CREATE SOURCE TABLE plants (id STRING PRIMARY KEY) WITH (KAFKA_TOPIC = 'plants', VALUE_FORMAT = 'AVRO');",
        ),
    ),
    Definition(
        "CREATE STREAM AS SELECT, CREATE TABLE AS SELECT",
        (ast.CreateAsSelect,),
        "CREATE [OR REPLACE] STREAM | TABLE [IF NOT EXISTS] name [WITH (option = value, ...)] AS query",
        "Starts a persistent query and names its result. It runs until it is terminated, across restarts, and writes to a topic of its own.",
        (
            "CREATE TABLE readings_by_sensor\n"
            "  WITH (VALUE_FORMAT = 'JSON')\n"
            "  AS SELECT sensor, COUNT(*) AS n\n"
            "  FROM readings GROUP BY sensor EMIT CHANGES;",
        ),
    ),
    Definition(
        "INSERT INTO ... SELECT",
        (ast.InsertInto,),
        "INSERT INTO stream [WITH (QUERY_ID = 'name')] query",
        "Starts a persistent query that adds its rows to a stream that exists already.",
        ("INSERT INTO all_readings SELECT * FROM greenhouse_readings EMIT CHANGES;",),
    ),
    Definition(
        "INSERT INTO ... VALUES",
        (ast.InsertValues,),
        "INSERT INTO source [(column, ...)] VALUES (expression, ...)",
        "Adds one row to a stream or table. Columns that are not named are NULL; ROWTIME may be named. A table's row of which only the key is known "
        "is a row like any other, and deletes nothing: `insert` of the Python API does.",
        ("INSERT INTO readings (sensor, moisture) VALUES ('0x36', 41.5);",),
    ),
    Definition(
        "DROP STREAM, DROP TABLE",
        (ast.DropSource,),
        "DROP STREAM | TABLE [IF EXISTS] name [DELETE TOPIC]",
        "Forgets a stream or table; the query that writes it ends. With DELETE TOPIC its topic goes too.",
        ("DROP TABLE IF EXISTS readings_by_sensor DELETE TOPIC;",),
    ),
    Definition(
        "ALTER STREAM, ALTER TABLE",
        (ast.AlterSource,),
        "ALTER STREAM | TABLE name ADD [COLUMN] column type, ...",
        "Adds columns to a stream or table that was declared over a topic.",
        ("ALTER STREAM readings ADD COLUMN battery INT, ADD COLUMN firmware STRING;",),
    ),
    Definition(
        "CREATE TYPE",
        (ast.CreateType,),
        "CREATE TYPE [IF NOT EXISTS] name AS type",
        "Gives a type a name, which may then stand wherever a type may.",
        ("CREATE TYPE address AS STRUCT<street STRING, town STRING>;",),
    ),
    Definition(
        "DROP TYPE",
        (ast.DropType,),
        "DROP TYPE [IF EXISTS] name",
        "Forgets the name of a type.",
        ("DROP TYPE address;",),
    ),
    Definition(
        "CREATE CONNECTOR",
        (ast.CreateConnector,),
        "CREATE SOURCE | SINK CONNECTOR [IF NOT EXISTS] name WITH ('option' = 'value', ...)",
        "Starts a connector: a SOURCE brings records in, a SINK delivers them. Names of options may be in single or double "
        "quotes. `${file:path:KEY}` and `${env:NAME}` in values are looked up when the connector runs, never stored.",
        (
            "CREATE SOURCE CONNECTOR `mqtt-source`\n"
            "  WITH (\"connector.class\" = 'io.confluent.connect.mqtt.MqttSourceConnector', \"mqtt.topics\" = 'sockfound');",
        ),
    ),
    Definition(
        "DROP CONNECTOR",
        (ast.DropConnector,),
        "DROP CONNECTOR [IF EXISTS] name",
        "Stops a connector and forgets it.",
        ("DROP CONNECTOR `mqtt-source`;",),
    ),
    Definition(
        "PAUSE CONNECTOR",
        (ast.PauseConnector,),
        "PAUSE CONNECTOR name",
        "Stops a connector's tasks, which keep their place. What is under way is waited for, at most 10 s; then nothing more comes. It stays paused "
        "when the database is opened again.",
        ("PAUSE CONNECTOR `mqtt-source`;",),
    ),
    Definition(
        "RESUME CONNECTOR",
        (ast.ResumeConnector,),
        "RESUME CONNECTOR name",
        "Lets a paused connector go on where it was, and a failed one try again at once.",
        ("RESUME CONNECTOR `mqtt-source`;",),
    ),
    Definition(
        "TERMINATE",
        (ast.Terminate,),
        "TERMINATE [QUERY] query | ALL",
        "Ends a persistent query, or all of them. Its result stays.",
        ("TERMINATE CTAS_READINGS_BY_SENSOR_3;",),
    ),
    Definition(
        "PAUSE",
        (ast.Pause,),
        "PAUSE [QUERY] query | ALL",
        "Halts a persistent query, or all of them, until RESUME.",
        ("PAUSE CTAS_READINGS_BY_SENSOR_3;",),
    ),
    Definition(
        "RESUME",
        (ast.Resume,),
        "RESUME [QUERY] query | ALL",
        "Lets a paused query go on where it was.",
        ("RESUME ALL;",),
    ),
    Definition(
        "SHOW",
        (ast.Show,),
        "SHOW | LIST STREAMS [EXTENDED] | TABLES [EXTENDED] | [ALL] TOPICS [EXTENDED] | QUERIES [EXTENDED] | PROPERTIES | "
        "FUNCTIONS | TYPES\n"
        "  | [SOURCE | SINK] CONNECTORS | CONNECTOR PLUGINS | VARIABLES",
        "Lists what exists. ALL TOPICS includes the internal ones. EXTENDED tells more: of streams and tables what DESCRIBE EXTENDED does, of topics "
        "how long they keep records and which consumer groups read them, of queries their plan and how far they have come.",
        (
            "SHOW STREAMS EXTENDED;",
            "LIST TOPICS;",
        ),
    ),
    Definition(
        "DESCRIBE",
        (ast.Describe,),
        "DESCRIBE | DESC source [EXTENDED] | STREAMS [EXTENDED] | TABLES [EXTENDED] | FUNCTION name | CONNECTOR name",
        "Shows one thing closely: the columns of a source (EXTENDED: its topic, its queries, how many records there are and when the last one was, "
        "too), a function's forms, a connector's tasks.",
        (
            "DESCRIBE readings EXTENDED;",
            "DESCRIBE FUNCTION GEO_DISTANCE;",
        ),
    ),
    Definition(
        "EXPLAIN",
        (ast.Explain,),
        "EXPLAIN [ANALYZE] query | statement",
        "Shows the plan of a running query, or of a statement without running it. ANALYZE adds how a running query is: its state, how many of its "
        "sources' records it has read, and how many it has written.",
        (
            "EXPLAIN CTAS_READINGS_BY_SENSOR_3;",
            "EXPLAIN SELECT * FROM readings EMIT CHANGES;",
        ),
    ),
    Definition(
        "PRINT",
        (ast.Print,),
        "PRINT topic [FROM BEGINNING] [INTERVAL n] [LIMIT n]",
        "Shows the records of a topic as they come; with INTERVAL every n-th of them. The case of the topic's name counts, quoted or not.",
        ("PRINT 'houseplant-readings' FROM BEGINNING LIMIT 10;",),
    ),
    Definition(
        "SET",
        (ast.SetProperty,),
        "SET 'property' = 'value'",
        "Sets a property for the statements that follow in this session.",
        ("SET 'auto.offset.reset' = 'earliest';",),
    ),
    Definition(
        "UNSET",
        (ast.UnsetProperty,),
        "UNSET 'property'",
        "Puts a property back to its default.",
        ("UNSET 'auto.offset.reset';",),
    ),
    Definition(
        "ALTER SYSTEM",
        (ast.AlterSystem,),
        "ALTER SYSTEM 'property' = 'value'",
        "Sets a property for every session that begins from here on, and keeps it with the database: it holds also when that is opened again, unless "
        "the opening itself gives the property. Its default puts it back. What holds from the opening on, such as `connector.file.allowed.paths`, it "
        "does not set.",
        ("ALTER SYSTEM 'auto.offset.reset' = 'earliest';",),
    ),
    Definition(
        "DEFINE",
        (ast.Define,),
        "DEFINE name = 'text'",
        "Defines a variable: `${name}` in later statements of the session stands for the text, whatever the case of the name."
        " `$${name}` stands for `${name}` itself. A variable that is not defined is left as it is inside a string and is an "
        "error elsewhere.",
        ("DEFINE format = 'AVRO';",),
    ),
    Definition(
        "UNDEFINE",
        (ast.Undefine,),
        "UNDEFINE name",
        "Forgets a variable.",
        ("UNDEFINE format;",),
    ),
    Definition(
        "RUN SCRIPT",
        (ast.RunScript,),
        "RUN SCRIPT 'path'",
        "Runs the statements of a file.",
        ("RUN SCRIPT 'pipelines/houseplants/pipeline.sql';",),
    ),
    Definition(
        "SPOOL",
        (ast.Spool,),
        "SPOOL 'file' | OFF",
        "Writes what is typed in the shell and what it answers to a file too, until SPOOL OFF. One file at a time; what it holds already stays.",
        ("SPOOL 'session.log';", "SPOOL OFF;"),
    ),
    Definition(
        "ASSERT STREAM, ASSERT TABLE",
        (ast.AssertSource,),
        "ASSERT STREAM | TABLE name [(column type [KEY | PRIMARY KEY], ...)] [WITH (option = value, ...)]",
        "Fails unless a stream or table is there and has these columns and properties; what is not given is not looked at.",
        ("ASSERT STREAM readings (sensor STRING KEY, moisture DOUBLE) WITH (VALUE_FORMAT = 'JSON');",),
    ),
    Definition(
        "ASSERT VALUES, ASSERT NULL VALUES",
        (ast.AssertValues,),
        "ASSERT VALUES source [(column, ...)] VALUES (expression, ...)\n  | ASSERT NULL VALUES source [(column, ...)] KEY (expression, ...)",
        "Fails unless the next record of a stream or table has these values, once the queries have processed what is there; NULL VALUES wants a "
        "tombstone with this key. The first ASSERT VALUES of a source looks at its first record, each later one at the record behind, in the order "
        "in which they were written. Columns that are not named are not looked at; ROWTIME may be named, and WINDOWSTART and WINDOWEND of a windowed "
        "source. `penstock test` runs files of such tests.",
        (
            "ASSERT VALUES readings_by_sensor (sensor, n) VALUES ('0x36', 1);",
            "ASSERT NULL VALUES readings_by_sensor (sensor) KEY ('0x36');",
        ),
    ),
    Definition(
        "ASSERT TOPIC",
        (ast.AssertTopic,),
        "ASSERT [NOT EXISTS] TOPIC name [WITH (PARTITIONS = n, REPLICAS = n)] [TIMEOUT duration]",
        "Fails unless a topic exists (or does not), waiting for it at most the timeout, by default ksql.assert.topic.default.timeout.ms.",
        ("ASSERT TOPIC readings WITH (PARTITIONS = 3) TIMEOUT 10 SECONDS;",),
    ),
    Definition(
        "ASSERT SCHEMA",
        (ast.AssertSchema,),
        "ASSERT [NOT EXISTS] SCHEMA [SUBJECT name] [ID number] [TIMEOUT duration]",
        "Fails unless a schema is registered (or is not), waiting for it at most the timeout, by default ksql.assert.schema.default.timeout.ms.",
        ("ASSERT SCHEMA SUBJECT 'readings-value' TIMEOUT 10 SECONDS;",),
    ),
)
