"""Rows as they come: /inserts-stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from penstock.catalog.model import DataSource
from penstock.errors import DataError, Error
from penstock.server.answers import Refusal, to_json
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.server.ksql.errors import BAD_REQUEST, error_body, refused
from penstock.server.ksql.queries import DELIMITED
from penstock.server.ksql.statements import open_for_statements
from penstock.server.ksql.values import from_json
from penstock.server.streams import Stream
from penstock.sql.types import BIGINT
from penstock.statements.insert import writable

LINE_BYTES_MAX = 1024 * 1024
ROWS_TOGETHER = 1000
"""How many rows are stored in one transaction, where so many are there."""


@endpoint(
    "POST", "/inserts-stream",
    "Adds rows to a stream or table. The body's first line names it in `target`; each line after it is a row, an object of values by column, "
    "`ROWTIME` (ms) included. The answer begins at once and has a line a row: `ok` once it is durable, or `error` and what is wrong with it; later "
    "rows go on. `seq` counts the rows from 0. Rows are taken as long as the client sends, over HTTP/2 or HTTP/1.1. DECIMALs may be numbers or "
    "texts, BYTES are base64, DATE, TIME and TIMESTAMP ISO 8601. Names of columns are found whatever their case.",
    takes='{"target": "readings"}\n{"plant": "Crouton", "moisture": 24.5}\n{"plant": "Ginny", "moisture": "wet"}',
    gives='{"status":"ok","seq":0}\n'
    '{"status":"error","seq":1,"@type":"generic_error","error_code":40000,"message":"MOISTURE: \\"wet\\" is no DOUBLE."}',
)  # fmt: skip
async def inserts_stream(hall: Hall, request: Request) -> Response:
    """Take rows."""
    open_for_statements(hall)
    lines = _lines(request)
    first = _object(await anext(aiter(lines), [b""]))
    target = first.get("target")
    if not isinstance(target, str) or not target.strip():
        raise Refusal(400, "The first line names no 'target', the stream or table that the rows are for.", code=BAD_REQUEST)
    source = await hall.run(writable, hall.db, target.strip("`") if target.startswith("`") else target)
    return Stream(hall, _acknowledged(hall, source, lines), DELIMITED, duplex=True)


def _object(lines: list[bytes]) -> dict[str, Any]:
    try:
        found = json.loads(lines[0]) if lines else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "The first line is no JSON object.", code=BAD_REQUEST)
    return found


async def _lines(request: Request) -> AsyncGenerator[list[bytes], None]:
    """The lines of a body: the first by itself, then as many as are there, up to some hundreds. Raises Refusal for one that is too long."""
    rest, first = b"", True
    async with aclosing(_parts(request)) as parts:
        async for part in parts:
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > LINE_BYTES_MAX or any(len(line) > LINE_BYTES_MAX for line in lines):
                raise Refusal(413, f"A line is longer than {LINE_BYTES_MAX:,} bytes.")
            lines = [line for line in lines if line.strip()]
            if first and lines:
                yield [lines.pop(0)]
                first = False
            for start in range(0, len(lines), ROWS_TOGETHER):
                yield lines[start : start + ROWS_TOGETHER]
    if rest.strip():
        yield [rest]


async def _parts(request: Request) -> AsyncGenerator[bytes, None]:
    """The parts of a body until its end, or until the client has gone."""
    stream: AsyncIterator[bytes] = request.stream()
    while True:
        try:
            yield await anext(stream)
        except (StopAsyncIteration, ClientDisconnect):
            return


async def _acknowledged(hall: Hall, source: DataSource, lines: AsyncGenerator[list[bytes], None]) -> AsyncGenerator[bytes, None]:
    """An acknowledgement a row, in the rows' order."""
    yield b""  # the answer begins before there is a row
    number = 0
    closing = asyncio.create_task(hall.closing.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(lines, None))
            await asyncio.wait({coming, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return  # the server stops; what was not acknowledged was not taken
            try:
                some = coming.result()
            except Refusal as refusal:
                yield _acknowledgement(number, refusal)
                return
            if some is None:
                return
            results = await hall.run(_store, hall, source, some)
            yield b"".join(_acknowledgement(number + i, result) for i, result in enumerate(results))
            number += len(some)
    finally:
        closing.cancel()


def _acknowledgement(number: int, result: Refusal | None) -> bytes:
    if result is None:
        return to_json({"status": "ok", "seq": number}) + b"\n"
    return to_json({"status": "error", "seq": number, **error_body(result)}) + b"\n"


def _store(hall: Hall, source: DataSource, lines: list[bytes]) -> list[Refusal | None]:
    """Store rows, all in one transaction; where one of them cannot be, each by itself. What is wrong with each."""
    results: list[Refusal | None] = [None] * len(lines)
    rows: dict[int, dict[str, Any]] = {}
    for i, line in enumerate(lines):
        try:
            rows[i] = _row(source, line)
        except Error as error:
            results[i] = refused(error)
    try:
        if rows:
            hall.db.insert(source.name, list(rows.values()))
        return results
    except DataError as error:
        if len(rows) == 1:
            results[next(iter(rows))] = refused(error)
            return results
    for i, row in rows.items():
        try:
            hall.db.insert(source.name, [row])
        except Error as error:
            results[i] = refused(error)
    return results


def _row(source: DataSource, line: bytes) -> dict[str, Any]:
    """A line as a row for `Database.insert`. Raises DataError."""
    try:
        found = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise DataError(f"The row is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise DataError("The row is no JSON object.")
    types = {column.name: column.type for column in source.schema.columns} | {"ROWTIME": BIGINT}
    row = {}
    for field, value in found.items():
        bare = field.strip("`") if field.startswith("`") else field
        name = bare if bare in types else bare.upper()
        if name not in types:
            raise DataError(f"{source.name} has no column {field}.", mend=f"It has: {', '.join(c.name for c in source.schema.columns)}.")
        try:
            row[name] = from_json(value, types[name])
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
    return row
