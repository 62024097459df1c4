"""Running statements: /ksql, /status and /ksql/terminate."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.errors import Error, SqlError
from penstock.log.names import COMMANDS_TOPIC
from penstock.server.answers import Refusal, answer, json_object
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.server.ksql.entities import DONE, LOOKS, SILENT, Entity, command_id
from penstock.server.ksql.errors import BAD_REQUEST, CATCHING_UP, QUERY_ENDPOINT, SHUTTING_DOWN, closed, statement_error
from penstock.sql import ast
from penstock.sql.parser import parse_one
from penstock.statements import queries
from penstock.statements.queries import PROCESSING_LOG

if TYPE_CHECKING:
    from penstock.database import Database, Session

MEDIA_TYPE = "application/vnd.ksql.v1+json"
COMMANDS_KEPT = 10_000
CATCH_UP_S = 5.0


@dataclass
class Commands:
    """What became of the commands that this server has run, the last ones of them; and whether it takes more."""

    statuses: OrderedDict[str, tuple[str, str]] = field(default_factory=OrderedDict)
    terminated: bool = False

    def note(self, command: str, status: str, message: str) -> None:
        """Keep how a command ended."""
        self.statuses[command] = (status, message)
        self.statuses.move_to_end(command)
        while len(self.statuses) > COMMANDS_KEPT:
            self.statuses.popitem(last=False)


def open_for_statements(hall: Hall) -> None:
    """Raise Refusal where the server was terminated."""
    if hall.of(Commands).terminated:
        raise Refusal(503, "The server was terminated and takes no more statements. Start it anew.", code=SHUTTING_DOWN)


def text_and_session(db: Database, request: Mapping[str, Any]) -> tuple[str, Session]:
    """The SQL of a request, in `ksql` or `sql`, and its session, from `streamsProperties` or `properties`, and `sessionVariables`. Raises Refusal or
    ConfigError."""
    sql = request.get("ksql", request.get("sql"))
    if not isinstance(sql, str):
        raise Refusal(400, "The request has no SQL. Put it into 'ksql'.", code=BAD_REQUEST)
    maps = {}
    for name, other in (("streamsProperties", "properties"), ("sessionVariables", "sessionVariables")):
        found = request.get(name, request.get(other))
        if found is not None and not isinstance(found, dict):
            raise Refusal(400, f"'{name}' is no JSON object.", code=BAD_REQUEST)
        maps[name] = found or {}
    properties = {name: str(value).lower() if isinstance(value, bool) else value for name, value in maps["streamsProperties"].items()}
    variables = {name: str(value) for name, value in maps["sessionVariables"].items()}
    return sql, db.remote_session(properties, variables)


@endpoint(
    "POST", "/ksql",
    "Runs statements one after the other, all but SELECT and PRINT, which `/query` takes. `streamsProperties` are [settings](settings.md) and "
    "`sessionVariables` are variables, of this request alone, as are those that SET and DEFINE make in it. With `commandSequenceNumber` the "
    "statements wait until that command is done; a command's answer holds its number. One answer a statement; INSERT INTO ... VALUES, SET, UNSET, "
    "DEFINE and UNDEFINE have none. Of a statement that fails the error's `statementText` is the text and `entities` the answers of those before "
    "it; a mistake that the parser finds keeps all from running.",
    takes='{"ksql": "CREATE STREAM s (id STRING KEY, n INT) WITH (KAFKA_TOPIC = \'s\', VALUE_FORMAT = \'JSON\', PARTITIONS = 1);", '
    '"streamsProperties": {"auto.offset.reset": "earliest"}}',
    gives='[{"@type": "currentStatus", "statementText": "CREATE STREAM s ...;", "commandId": "stream/S/create", "commandStatus": '
    '{"status": "SUCCESS", "message": "Stream S is created, and its topic s.", "queryId": null}, "commandSequenceNumber": 1, "warnings": []}]',
)  # fmt: skip
async def ksql(hall: Hall, request: Request) -> Response:
    """Run statements."""
    open_for_statements(hall)
    asked = await json_object(request)
    sql, session = text_and_session(hall.db, asked)
    number = asked.get("commandSequenceNumber")
    if isinstance(number, int) and number >= 0:
        await _caught_up(hall, number)
    return answer(await hall.run_while_wanted(session, request.receive, run_all, hall, sql), media_type=MEDIA_TYPE)


async def _caught_up(hall: Hall, number: int) -> None:
    """Wait until a command is done. Raises Refusal where that takes too long."""
    deadline = time.monotonic() + CATCH_UP_S

    def wait() -> bool:
        log = hall.db.log
        version = log.version()
        while sequence_number(hall.db) < number:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            version = log.watch(version, left)
        return True

    if not await hall.run(wait):
        raise Refusal(503, f"The command {number} is not done within {CATCH_UP_S:g} s: the last one is {sequence_number(hall.db)}.", code=CATCHING_UP)


def sequence_number(db: Database) -> int:
    """The number of the last command: its place in the topic of commands."""
    return db.log.end_offset(COMMANDS_TOPIC, 0) - 1


def run_all(hall: Hall, sql: str) -> list[Entity]:
    """Run statements and describe what they answer. Raises Refusal, which holds the answers of those before the one that failed."""
    db = hall.db
    entities: list[Entity] = []
    try:
        statements = list(db.statements(sql))
    except SqlError as error:
        raise statement_error(error, sql) from None
    for statement in statements:
        if isinstance(statement, ast.Query | ast.RawQuery | ast.Print):
            what = f"{'PRINT' if isinstance(statement, ast.Print) else 'SELECT'} statements are for the endpoint /query, and not for /ksql."
            raise statement_error(Error(what), statement.text, entities, code=QUERY_ENDPOINT)
    for statement in statements:
        try:
            found = run_one(hall, statement)
        except Error as error:
            raise statement_error(error, statement.text, entities) from None
        if found is not None:
            entities.append({"statementText": closed(statement.text), "warnings": [], **found})
    return entities


def run_one(hall: Hall, statement: ast.Statement) -> Entity | None:
    """Run a statement and describe what it answers. Raises penstock.Error."""
    db = hall.db
    look = LOOKS.get(type(statement))
    if look is not None:
        return look(db, statement)
    ending = {query.id for query in queries.of(db, statement)} if isinstance(statement, ast.Terminate) else set()
    ended = [source for source in db.catalog.sources() if source.created_by in ending]
    result = db.run(statement)
    if isinstance(statement, SILENT):
        return None
    done = DONE.get(type(statement))
    if done is not None:
        return done(db, statement, result)
    begun = _begun(db, statement, result.message)
    commands, command = hall.of(Commands), command_id(statement, begun)
    commands.note(command, "SUCCESS", result.message)
    for source in ended:
        commands.note(f"{source.kind.lower()}/{source.name}/create", "TERMINATED", f"{source.created_by} is terminated.")
    return {
        "@type": "currentStatus",
        "commandId": command,
        "commandStatus": {"status": "SUCCESS", "message": result.message, "queryId": begun},
        "commandSequenceNumber": sequence_number(db),
    }


def _begun(db: Database, statement: ast.Statement, message: str) -> str | None:
    """The id of the query that a statement has begun."""
    match statement:
        case ast.CreateAsSelect(name=name):
            source = db.catalog.source(name)
            return source.created_by if source else None
        case ast.InsertInto():
            return message.partition(" ")[0]
    return None


# ---------------------------------------------------------------------------------------------- /status


def _found(hall: Hall) -> dict[str, tuple[str, str]]:
    """Every command that is known: what this server has run, and what made the things that there are."""
    there = {f"{s.kind.lower()}/{s.name}/create": ("SUCCESS", f"{s.kind.capitalize()} {s.name} is there.") for s in hall.db.catalog.sources()}
    there |= {f"type/{t.name}/create": ("SUCCESS", f"Type {t.name} is there.") for t in hall.db.catalog.types()}
    return there | dict(hall.of(Commands).statuses)


@endpoint(
    "GET", "/status",
    "How each command ended: those that the server has run, and those that made what is there.",
    gives='{"commandStatuses": {"stream/S/create": "SUCCESS"}}',
)  # fmt: skip
async def statuses(hall: Hall, request: Request) -> Response:
    """All of them."""
    return answer({"commandStatuses": {command: status for command, (status, _) in (await hall.run(_found, hall)).items()}}, media_type=MEDIA_TYPE)


@endpoint(
    "GET", "/status/{command_id:path}",
    "How a command ended. A statement is done when its answer comes, so that it is always `SUCCESS`, or `TERMINATED` where its query was.",
    gives='{"status": "SUCCESS", "message": "Stream S is created, and its topic s.", "queryId": null}',
)  # fmt: skip
async def status(hall: Hall, request: Request) -> Response:
    """One of them."""
    command = request.path_params["command_id"]
    found = (await hall.run(_found, hall)).get(command)
    if found is None:
        raise Refusal(404, f"There is no command {command}.")
    return answer({"status": found[0], "message": found[1], "queryId": None}, media_type=MEDIA_TYPE)


# ---------------------------------------------------------------------------------------------- /ksql/terminate


@endpoint(
    "POST", "/ksql/terminate",
    "Ends every query and forgets every stream, table and type; connectors and topics stay. Topics that queries write are deleted where "
    "`deleteTopicList` holds their names or regular expressions that match them whole. The server takes no more statements until it is started anew.",
    takes='{"deleteTopicList": ["FOO", "bar.*"]}',
    gives='{"@type": "currentStatus", "statementText": "TERMINATE CLUSTER;", "commandId": "cluster/TerminateCluster/execute", "commandStatus": '
    '{"status": "SUCCESS", "message": "Terminated: CTAS_FOO_1. Deleted: FOO.", "queryId": null}, "commandSequenceNumber": 7, "warnings": []}',
)  # fmt: skip
async def terminate(hall: Hall, request: Request) -> Response:
    """End everything."""
    open_for_statements(hall)
    asked = (await json_object(request)).get("deleteTopicList", [])
    if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
        raise Refusal(400, "'deleteTopicList' is no list of texts.", code=BAD_REQUEST)
    try:
        patterns = [re.compile(each) for each in asked]
    except re.error as error:
        raise Refusal(400, f"'deleteTopicList' holds what is no regular expression: {error}.", code=BAD_REQUEST) from None
    hall.of(Commands).terminated = True
    message = await hall.run(_terminate, hall.db, patterns)
    status = {"status": "SUCCESS", "message": message, "queryId": None}
    number = sequence_number(hall.db)
    return answer(
        {
            "@type": "currentStatus", "statementText": "TERMINATE CLUSTER;", "commandId": "cluster/TerminateCluster/execute",
            "commandStatus": status, "commandSequenceNumber": number, "warnings": [],
        },
        media_type=MEDIA_TYPE,
    )  # fmt: skip


def _terminate(db: Database, patterns: list[re.Pattern[str]]) -> str:
    """Terminate, forget and delete; what was done."""
    written = {query.plan.topic for query in db.catalog.queries()}
    message = db.run(parse_one("TERMINATE ALL;")).message
    db.catalog.drop(*(s for s in db.catalog.sources() if s.name != PROCESSING_LOG.name), *db.catalog.types())
    deleted = sorted(topic for topic in written if any(pattern.fullmatch(topic) for pattern in patterns))
    for topic in deleted:
        db.log.delete_topic(topic)
    return f"{message} Deleted: {', '.join(deleted) or 'nothing'}."
