"""HTTP source: asks a web address again and again, and makes records of what it answers."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from penstock.connect.contract import SourceContext, SourceDefinition
from penstock.connect.http import answers
from penstock.connect.http.answers import Row, pointed
from penstock.connect.http.exchange import CONNECTION, HEADERS, check_status, open_client, unreachable
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import Position, SourceBatch, SourceRecord
from penstock.connect.secrets import Secrets
from penstock.connect.text import json_text, plain_text
from penstock.errors import ConfigError, ConnectorError

BATCH_MAX = 2_000
REDIRECTS_MAX = 5
VALIDATOR_CHARACTERS_MAX = 1_000

OPTIONS = (
    Option(
        "url",
        "address",
        "What to ask. `${offset}` and `${entityName}` are replaced, percent-encoded.",
        REQUIRED,
        aliases=("http.api.url",),
    ),
    Option("topic.name.pattern", "string", "The topic of the records; `${entityName}` is replaced.", REQUIRED, aliases=("kafka.topic", "topic")),
    Option("request.interval.ms", "integer", "The time from one request to the next, in ms.", 15_000, minimum=1),
    Option("http.request.method", "choice", "The HTTP method.", "get", choices=("get", "post"), aliases=("request.method", "method")),
    Option("http.request.parameters", "string", "Parameters to add to the address, `name=value`, with a separator between them.", ""),
    Option("http.request.parameters.separator", "string", "What stands between parameters.", "&"),
    Option("http.request.body", "string", "The body of the requests. `${offset}` and `${entityName}` are replaced.", ""),
    *HEADERS,
    *answers.OPTIONS,
    Option(
        "record.key.field",
        "string",
        "The field that becomes the record's key: a column, a name, or a JSON pointer such as `/place/id`. Without it records have no key.",
        None,
    ),
    Option(
        "on.unchanged",
        "choice",
        "What to do with records that came before. `skip`: an answer with the same records as the last makes none, one that differs makes all of its "
        "records. `rows`: only records that the last answer did not hold. `emit`: every answer makes all of its records. It is for addresses without "
        "`${offset}`, and for the pages of `cursor_pagination`.",
        "skip",
        choices=("skip", "rows", "emit"),
    ),
    Option("entity.names", "list", "Several things to ask for: each is put in the place of `${entityName}`, and tasks divide them.", ()),
    Option("http.initial.offset", "string", "What `${offset}` is in the first request.", ""),
    Option(
        "http.offset.mode",
        "choice",
        "Where the next `${offset}` comes from. `simple_incrementing`: it grows by the number of records (and starts at a number). `chaining`: from "
        "the last record, at `http.offset.json.pointer`. `cursor_pagination`: from the document, at `http.next.page.json.pointer`; where there "
        "is nothing the same page is asked for again.",
        "simple_incrementing",
        choices=("simple_incrementing", "chaining", "cursor_pagination"),
    ),
    Option("http.offset.json.pointer", "string", "`chaining`: where a record holds its offset.", None),
    Option("http.next.page.json.pointer", "string", "`cursor_pagination`: where the document holds the offset of the next page.", None),
    *CONNECTION,
)


@dataclass(slots=True)
class _Entity:
    """One thing that is asked for again and again. `position` is that of the last batch that was handed out, `pending` what is still to hand out:
    each row with the position that holds when it is stored (None is no record, where there is only a position to note)."""

    name: str
    position: Position
    due_s: float = 0.0
    pending: Sequence[tuple[Row | None, Position]] = ()


class HttpSource:
    """The source of one task: one client, and the entities that fall to this task (one without a name, where there are none)."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SourceContext) -> None:
        self._options, self._secrets, self._context = options, secrets, context
        self._url: str = options["url"]
        if not re.match(r"https?://[^/?#]+", self._url):
            raise ConfigError("'url' is not the address of a web server.", mend="Write http://HOST/PATH or https://HOST/PATH.")
        self._method: str = options["http.request.method"].upper()
        self._read = answers.reader(options)
        # Without ${offset} every request asks for the whole, and what is new must be found in the answer.
        asked = self._url + options["http.request.parameters"] + options["http.request.body"]
        self._mode: str | None = options["http.offset.mode"] if "${offset}" in asked else None
        self._check_mode()
        if "${entityName}" in asked + options["topic.name.pattern"] and not options["entity.names"]:
            raise ConfigError("${entityName} stands in the options, but there is no 'entity.names'.")
        names = options["entity.names"] or [""]
        self._entities = [_Entity(name, context.positions.get(name, {})) for name in names[context.task :: context.tasks]]
        self._client = open_client(options, secrets, {})

    def poll(self) -> SourceBatch:
        """The next records of an answer, or a request when it is time for one. Raises RetriableError, or ConnectorError for an answer that is
        of no use."""
        entity = min(self._entities, key=lambda e: (not e.pending, e.due_s), default=None)
        if entity is None:  # more tasks than entities
            self._context.wait()
            return SourceBatch()
        if not entity.pending:
            if (wait_s := entity.due_s - time.monotonic()) > 0:
                self._context.wait(wait_s)
            if time.monotonic() >= entity.due_s:
                self._ask(entity)
        if not entity.pending:
            return SourceBatch()
        rows, entity.pending = entity.pending[:BATCH_MAX], entity.pending[BATCH_MAX:]
        entity.position = rows[-1][1]
        topic = self._options["topic.name.pattern"].replace("${entityName}", entity.name)
        return SourceBatch([self._record(topic, row) for row, _ in rows if row is not None], {entity.name: entity.position})

    def committed(self, batch: SourceBatch) -> None:
        """Nothing: a web server is told nothing."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # ------------------------------------------------------------------ asking

    def _ask(self, entity: _Entity) -> None:
        """Make the entity's request, and note what is to be handed out."""
        offset = str(entity.position.get("offset", self._options["http.initial.offset"]))
        answer = self._fetch(entity, offset)
        entity.due_s = time.monotonic() + self._options["request.interval.ms"] / 1000
        if answer is None:
            return
        body, response = answer
        charset = self._options["response.encoding"] or response.charset_encoding or "utf-8"
        rows, document = self._read(body, charset)
        if self._mode == "simple_incrementing":
            entity.pending = [(row, {"offset": int(offset or 0) + n}) for n, row in enumerate(rows, 1)]
        elif self._mode == "chaining":
            entity.pending = list(self._chained(rows, offset))
        else:
            entity.pending = self._news(entity.position, rows, self._after(entity.position, document, response))

    def _fetch(self, entity: _Entity, offset: str) -> tuple[bytes, httpx.Response] | None:
        """The body and the head of the answer; None where it says that nothing has changed."""
        request = self._request(entity, offset)
        for _ in range(REDIRECTS_MAX):
            try:
                response = self._client.send(request, stream=True)
                try:
                    body = self._body(response)
                finally:
                    response.close()
            except httpx.TransportError as error:
                raise unreachable(self._method, str(request.url), error, self._secrets) from None
            if response.status_code == 304:
                return None
            if response.next_request is None:
                check_status(self._method, response, body, self._secrets)
                return body, response
            # Only within the host: another would be sent our headers, and may not be meant to be reached from here.
            before, after = request.url, response.next_request.url
            if after.host != before.host or (before.scheme, after.scheme) == ("https", "http"):
                break
            request = response.next_request
        raise ConnectorError(f"{self._method} to {request.url.host} is redirected elsewhere, or too often.", mend="Write the final address in 'url'.")

    def _request(self, entity: _Entity, offset: str) -> httpx.Request:
        def filled(text: str, encoded: bool = False) -> str:
            for name, value in (("${offset}", offset), ("${entityName}", entity.name)):
                text = text.replace(name, quote(value, safe="") if encoded else value)
            return text

        separator = self._options["http.request.parameters.separator"]
        parameters = [part.partition("=") for part in self._options["http.request.parameters"].split(separator) if part]
        url = httpx.URL(filled(self._url, encoded=True))
        if parameters:
            url = url.copy_merge_params([(filled(name), filled(value)) for name, _, value in parameters])
        headers = {}
        if self._mode is None and self._options["on.unchanged"] != "emit":
            validators = {"If-None-Match": entity.position.get("etag"), "If-Modified-Since": entity.position.get("modified")}
            headers = {name: value for name, value in validators.items() if value}
        body = filled(self._options["http.request.body"])
        return self._client.build_request(self._method, url, content=body.encode() if body else None, headers=headers)

    def _body(self, response: httpx.Response) -> bytes:
        """The answer's body. Raises ConnectorError where it is too large, having read no more than the limit."""
        limit: int = self._options["response.size.max.bytes"]
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > limit:
                raise ConnectorError(f"The answer of {response.url.host} is larger than {limit} bytes.", mend="Raise 'response.size.max.bytes'.")
            parts.append(part)
        return b"".join(parts)

    # ------------------------------------------------------------------ what is new in an answer

    def _news(self, position: Position, rows: list[Row], after: Position) -> Sequence[tuple[Row | None, Position]]:
        """The rows to hand out, with their positions. While an answer is handed out its position counts rows, so that a start in the middle goes on
        there where the answer is still the same; `after` holds when it is through."""
        marks = [hashlib.blake2b(json_text([row.value, row.fields]).encode(), digest_size=8).hexdigest() for row in rows]
        digest = hashlib.blake2b("".join(marks).encode(), digest_size=16).hexdigest()
        rule = self._options["on.unchanged"]
        is_same = position.get("digest") == digest
        is_through = is_same and "rows" not in position
        if is_through and rule != "emit":
            # Where the server moved a date or the next page, that is all there is to note.
            moved = {name: value for name, value in after.items() if value != position.get(name)}
            return [(None, {**position, **moved})] if moved else ()
        if rule == "rows":
            seen = set(position.get("seen", ()))
            rows = [row for row, mark in zip(rows, marks, strict=True) if mark not in seen]
        begun = {name: position[name] for name in ("seen", "offset") if name in position} | {"digest": digest}
        if after.get("offset") == position.get("offset"):  # the same will be asked again, and is to be compared with this
            after = {**after, "digest": digest} | ({"seen": sorted(set(marks))} if rule == "rows" else {})
        news: list[tuple[Row | None, Position]] = [(row, {**begun, "rows": n}) for n, row in enumerate(rows[:-1], 1)]
        news.append((rows[-1] if rows else None, after))
        return news[position.get("rows", 0) if is_same else 0 :]

    def _after(self, position: Position, document: Any, response: httpx.Response) -> Position:
        """Where to go on when the answer is through: at the next page, or with what makes the next request conditional."""
        if self._mode == "cursor_pagination":
            try:
                following = pointed(document, self._options["http.next.page.json.pointer"])
            except LookupError:
                following = None
            offset = position.get("offset") if following in (None, "") else plain_text(following)
            return {} if offset is None else {"offset": offset}
        validators = {"etag": response.headers.get("ETag"), "modified": response.headers.get("Last-Modified")}
        return {name: value for name, value in validators.items() if value and len(value) <= VALIDATOR_CHARACTERS_MAX}

    def _chained(self, rows: Sequence[Row], offset: str) -> Iterator[tuple[Row, Position]]:
        """Rows with their offsets; behind one that could not be read it is that of the row before."""
        for row in rows:
            offset = offset if row.error else self._offset_of(row)
            yield row, {"offset": offset}

    def _offset_of(self, row: Row) -> str:
        pointer = self._options["http.offset.json.pointer"]
        try:
            return plain_text(pointed(row.fields, pointer))
        except LookupError:
            raise ConnectorError(f"A record holds no offset at {pointer}.", mend="Set 'http.offset.json.pointer'.") from None

    def _check_mode(self) -> None:
        needed = {"chaining": "http.offset.json.pointer", "cursor_pagination": "http.next.page.json.pointer"}.get(self._mode or "")
        if needed and not self._options[needed]:
            raise ConfigError(f"'http.offset.mode'='{self._mode}' needs '{needed}'.")
        if self._mode == "simple_incrementing" and not re.fullmatch(r"\d*", self._options["http.initial.offset"]):
            raise ConfigError(f"'http.initial.offset' is a whole number, not '{self._options['http.initial.offset']}'.")

    # ------------------------------------------------------------------ records

    def _record(self, topic: str, row: Row) -> SourceRecord:
        if row.error is not None:
            return SourceRecord(topic, row.value, error=row.error)
        return SourceRecord(topic, row.value, self._key(row), row.schema)

    def _key(self, row: Row) -> Any:
        name: str | None = self._options["record.key.field"]
        if name is None:
            return None
        try:
            return pointed(row.fields, name) if name.startswith("/") else row.fields[name]
        except (LookupError, TypeError):
            raise ConnectorError(f"A record has no field {name} for its key.", mend="Set 'record.key.field' to one that every record has.") from None


DEFINITION = SourceDefinition(
    class_names=("HttpSource", "HttpSourceConnector", "io.confluent.connect.http.HttpSourceConnector"),
    summary="Asks a web address again and again, and makes records of the CSV, JSON, XML or text that it answers.",
    documentation="""\
The position of what was read (the answer's ETag and digest, or the offset) is stored in one transaction with the records: after a crash the source
goes on there, in the middle of a long answer too, and makes no record twice as long as the server answers the same. Where the server sends ETag or
Last-Modified, requests are conditional, and an answer that has not changed is not sent at all.

A connection that fails and the answers 408, 425, 429 and 5xx are tried again, after the server's Retry-After or an exponential back-off. Any other
refusal, an answer that cannot be read, and one that is too large make the task FAILED; it starts again by itself, later and later. Redirections are
followed within the host alone.

**Values.** Text, and CSV as `line`, are text, and `'value.converter' = '...StringConverter'` writes them as they are; JSON and XML are structures.
CSV as `struct` has a schema of text columns, and so becomes AVRO where no converter is named: there a header such as `Free spaces` needs other
names, by `csv.columns`. A council's CSV goes to a stream with VALUE_FORMAT='DELIMITED':

```sql
CREATE SOURCE CONNECTOR carparks WITH (
  'connector.class' = 'HttpSource',
  'url' = 'https://example.com/carparks.csv',
  'kafka.topic' = 'carparks-raw',
  'response.format' = 'csv',
  'request.interval.ms' = '60000',
  'value.converter' = 'org.apache.kafka.connect.storage.StringConverter'
);
```

**Offsets.** Where `${offset}` stands in the address, its parameters or the body, each request asks for what follows the last. **Entities** let one
connector ask for several things:

```sql
  'url' = 'https://example.com/api/${entityName}?after=${offset}',
  'entity.names' = 'orders,returns',
  'topic.name.pattern' = 'shop-${entityName}',
  'http.offset.mode' = 'chaining',
  'http.offset.json.pointer' = '/id',
  'http.initial.offset' = '0'
```""",
    example="""\
CREATE SOURCE CONNECTOR exchange_rates WITH (
  'connector.class' = 'HttpSource',
  'url' = 'http://localhost:8080/rates',
  'topic.name.pattern' = 'rates',
  'http.response.data.json.pointer' = '/rates',
  'record.key.field' = 'currency',
  'request.interval.ms' = '30000'
);""",
    options=OPTIONS,
    open=HttpSource,
    tasks=lambda options: max(1, len(options["entity.names"])),
)
