"""Asking queries: /query, /query-stream, /close-query and /ws/query."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive
from starlette.websockets import WebSocket, WebSocketDisconnect

from penstock.errors import Error, SqlError
from penstock.result import Query, Row
from penstock.server.answers import Refusal, answer, json_object, parsed, to_json
from penstock.server.door import bug, endpoint, talk
from penstock.server.hall import Hall, gone
from penstock.server.ksql import forms
from penstock.server.ksql.errors import BAD_REQUEST, error_body, refused, statement_error
from penstock.server.ksql.statements import open_for_statements, text_and_session
from penstock.server.streams import Stream, until_first
from penstock.sql import ast
from penstock.statements.following import TopicRows

PUSH_QUERIES_MAX = 1000
ROWS_TOGETHER = 500
"""How many rows are written at once."""


@dataclass
class Asked:
    """A query that is being answered. `closed` is set by /close-query."""

    id: str
    query: Query | TopicRows
    statement: ast.Statement
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Asking:
    """The push queries that are being answered, by id."""

    running: dict[str, Asked] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


async def ask(hall: Hall, request: Mapping[str, Any], receive: Receive) -> Asked:
    """Start the one query of a request; `receive` tells when its client goes. Raises Refusal or penstock.Error."""
    open_for_statements(hall)
    sql, session = text_and_session(hall.db, request)
    asking = hall.of(Asking)
    if len(asking.running) >= PUSH_QUERIES_MAX:
        raise Refusal(429, f"{PUSH_QUERIES_MAX} push queries are being answered, which is the most. Close one of them.")
    statement, query = await hall.run_while_wanted(session, receive, _start, hall, sql)
    asked = Asked(f"transient_{statement_name(statement)}_{next(asking.numbers)}_{secrets.token_hex(4)}", query, statement)
    if query.is_push:
        asking.running[asked.id] = asked
    return asked


def _start(hall: Hall, sql: str) -> tuple[ast.Statement, Query | TopicRows]:
    try:
        statements = list(hall.db.statements(sql))
    except SqlError as error:
        raise statement_error(error, sql) from None
    queries = [s for s in statements if not isinstance(s, ast.SetProperty | ast.UnsetProperty | ast.Define | ast.Undefine)]
    if len(queries) != 1 or not isinstance(queries[0], ast.Query | ast.RawQuery | ast.Print):
        found = f"there are {len(queries)}" if len(queries) != 1 else "this is another statement"
        what = Error(f"Here is the place of one SELECT or PRINT, but {found}.", mend="The endpoint /ksql takes other statements.")
        raise statement_error(what, sql)
    try:
        for statement in statements:
            if statement is not queries[0]:
                hall.db.run(statement)
        query = TopicRows(hall.db, queries[0]) if isinstance(queries[0], ast.Print) else hall.db.ask(queries[0])
    except Error as error:
        raise statement_error(error, queries[0].text) from None
    return queries[0], query


def statement_name(statement: ast.Statement) -> str:
    """What a query reads, for its id."""
    match statement:
        case ast.Print():
            return "PRINT"
        case ast.Query(select=ast.Select(relation=ast.Source(name=name))):
            return name
    return "QUERY"


async def rows(hall: Hall, asked: Asked) -> AsyncGenerator[list[Row], None]:
    """The rows of a query, in lists of a few hundred, as they come; until it ends, is closed, or the server stops."""
    query = asked.query
    while not asked.closed.is_set() and not hall.closing.is_set():
        version = hall.db.log.version()
        found = await hall.run(query.take)
        for start in range(0, len(found), ROWS_TOGETHER):
            yield found[start : start + ROWS_TOGETHER]
        if query.ended:
            return
        if not found:
            await _changed(hall, version, asked.closed)


def finish(hall: Hall, asked: Asked) -> None:
    """Close a query whose answer has ended in any way."""
    hall.of(Asking).running.pop(asked.id, None)
    hall.later(asked.query.close)  # in a thread: it waits for a step that is under way


async def _changed(hall: Hall, version: int, closed: asyncio.Event) -> None:
    """Wait until there may be more, or the query is closed."""

    async def wait() -> None:
        await closed.wait()

    await until_first(asyncio.create_task(hall.changed(version)), wait())


async def written(hall: Hall, asked: Asked, form: forms.Form) -> AsyncGenerator[bytes, None]:
    """The answer in a form. What goes wrong on the way is told in its place."""
    yield form.begin
    try:
        async for some in rows(hall, asked):
            yield await hall.run(form.rows, some)
    except Exception as error:  # noqa: BLE001 - the answer has begun: it can be told at its end only
        yield form.failed(refused(error) if isinstance(error, Error) else bug(error))
        return
    yield form.end("The server stops." if hall.closing.is_set() and not asked.query.ended else _ended(asked))


def _ended(asked: Asked) -> str:
    limited = isinstance(asked.statement, ast.Query) and asked.statement.select.limit is not None
    return "Limit Reached" if asked.query.is_push and limited and not asked.closed.is_set() else "Query Completed"


V1, V2 = "application/vnd.ksql.v1+json", "application/vnd.ksql.v2+json"
DELIMITED, PLAIN = "application/vnd.ksqlapi.delimited.v1", "application/json"

Make = Callable[[str, Query], forms.Form]


async def _answer(hall: Hall, request: Request, offered: Mapping[str, Make]) -> Response:
    """Answer a query in the form that the client accepts of those that are offered, the first by default."""
    media_type = accepted(request.headers.get("accept", "*/*"), list(offered))
    if media_type is None:
        raise Refusal(406, f"The answer can be had as {', '.join(offered)}.")
    asked = await ask(hall, await json_object(request), request.receive)
    form: forms.Form
    if isinstance(asked.query, TopicRows):
        form, media_type = forms.Printed(), "text/plain; charset=utf-8"
    else:
        form = offered[media_type](asked.id, asked.query)
    return Stream(hall, written(hall, asked, form), media_type, ended=lambda: finish(hall, asked))


def accepted(header: str, offered: list[str]) -> str | None:
    """Which of the media types that are offered a header `Accept` prefers; None where it is none of them."""
    best: tuple[float, int] | None = None
    for part in header.split(","):
        name, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        fits = [i for i, each in enumerate(offered) if name in (each, "*/*", each.partition("/")[0] + "/*")]
        if fits and quality > 0 and (best is None or quality > best[0]):
            best = (quality, fits[0])
    return None if best is None else offered[best[1]]


@endpoint(
    "POST", "/query",
    "Answers one SELECT or PRINT, row by row as they come: a pull query with what is there now, a push query (EMIT CHANGES) until its LIMIT, "
    "`/close-query`, or the client's leaving. SET, UNSET, DEFINE and UNDEFINE may stand before it. As `application/vnd.ksql.v1+json` (or "
    "`application/json`, or by default) the answer is a JSON array, one element a line: the header, the rows, and for a push query that ends a "
    "`finalMessage`; an `errorMessage` where something goes wrong on the way. As `application/vnd.ksql.v2+json` rows of a table's push query have "
    "their `key` apart from the other `columns`, and a row that the table loses is a `tombstone`; in v1 such rows are left out. "
    "`application/vnd.ksqlapi.delimited.v1` is the form of `/query-stream`. PRINT answers lines of text.",
    takes='{"ksql": "SELECT * FROM dry EMIT CHANGES LIMIT 1;", "streamsProperties": {"auto.offset.reset": "earliest"}}',
    gives='[{"header":{"queryId":"transient_DRY_0_5e2f1c3a","schema":"`PLANT` STRING, `TIMES` BIGINT"}},\n{"row":{"columns":["Crouton",2]}},\n'
    '{"finalMessage":"Limit Reached"}]',
)  # fmt: skip
async def query(hall: Hall, request: Request) -> Response:
    """One query, in the older forms."""
    return await _answer(hall, request, {V1: forms.V1, V2: forms.V2, PLAIN: forms.V1, DELIMITED: forms.Delimited})


@endpoint(
    "POST", "/query-stream",
    "The same in lines, over HTTP/2 or HTTP/1.1: an object that tells of the columns, then an array a row; `application/json` is one array of all "
    "of these. A push query's `queryId` is for `/close-query`. What goes wrong on the way is an object with `status` `error`.",
    takes='{"sql": "SELECT * FROM dry EMIT CHANGES;", "properties": {"auto.offset.reset": "earliest"}}',
    gives='{"queryId":"transient_DRY_1_b3c0a1d2","columnNames":["PLANT","TIMES"],"columnTypes":["STRING","BIGINT"]}\n["Crouton",1]\n["Crouton",2]',
)  # fmt: skip
async def query_stream(hall: Hall, request: Request) -> Response:
    """One query, in lines."""
    return await _answer(hall, request, {DELIMITED: forms.Delimited, PLAIN: forms.Whole, V1: forms.V1, V2: forms.V2})


@endpoint(
    "POST", "/close-query",
    "Ends a push query; its answer ends as if there were no more rows. An error of code 40000 where no such query is being answered.",
    takes='{"queryId": "transient_DRY_1_b3c0a1d2"}',
    gives="{}",
)  # fmt: skip
async def close_query(hall: Hall, request: Request) -> Response:
    """End a push query."""
    name = (await json_object(request)).get("queryId")
    asked = hall.of(Asking).running.get(name) if isinstance(name, str) else None
    if asked is None:
        raise Refusal(400, f"No query {name} is being answered.", code=BAD_REQUEST)
    asked.closed.set()
    return answer({})


@talk(
    "/ws/query",
    "The same over a WebSocket: the parameter `request` of the address holds what `/query` takes. The first message holds the columns, then there "
    "is a message a row; then the server closes, with the reason. An error is a message too.",
    takes='{"ksql": "SELECT * FROM dry EMIT CHANGES LIMIT 1;"}',
    gives='[{"name":"PLANT","schema":{"type":"STRING","fields":null,"memberSchema":null}}]\n{"row":{"columns":["Crouton"]}}',
)  # fmt: skip
async def ws_query(hall: Hall, socket: WebSocket) -> None:
    """One query, over a WebSocket."""
    await socket.accept()
    try:
        asked = await ask(hall, _parameter(socket), socket.receive)
    except (Refusal, Error) as error:
        await _tell(socket, error if isinstance(error, Refusal) else refused(error))
        return
    parts = _messages(hall, asked)
    try:
        await until_first(asyncio.create_task(_send(hall, socket, asked, parts)), gone(socket.receive))
    finally:
        await parts.aclose()
        finish(hall, asked)


def _parameter(socket: WebSocket) -> dict[str, Any]:
    found = parsed(socket.query_params.get("request", "").encode())
    if not isinstance(found, dict):
        raise Refusal(400, "The parameter 'request' is no JSON object.", code=BAD_REQUEST)
    return found


async def _messages(hall: Hall, asked: Asked) -> AsyncGenerator[str, None]:
    form: forms.Printed | forms.Messages = forms.Printed() if isinstance(asked.query, TopicRows) else forms.Messages(asked.query)
    if isinstance(form, forms.Messages):
        yield form.columns
    async for some in rows(hall, asked):
        for message in await hall.run(form.each, some):
            yield message


async def _send(hall: Hall, socket: WebSocket, asked: Asked, messages: AsyncGenerator[str, None]) -> None:
    try:
        async for message in messages:
            await socket.send_text(message)
        await socket.close(1001 if hall.closing.is_set() else 1000, _ended(asked))
    except (WebSocketDisconnect, OSError):
        return
    except Exception as error:  # noqa: BLE001 - the last place where it can be told to the client
        await _tell(socket, refused(error) if isinstance(error, Error) else bug(error))


async def _tell(socket: WebSocket, refusal: Refusal) -> None:
    """Tell of an error and close."""
    await socket.send_text(to_json(error_body(refusal)).decode())
    await socket.close(1008, refusal.message.encode()[:120].decode(errors="ignore"))
