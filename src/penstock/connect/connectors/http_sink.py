"""HTTP sink: sends each record, or a batch of them, to a web address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from penstock.connect.contract import RefusedError, SinkDefinition
from penstock.connect.http.exchange import CONNECTION, HEADERS, check_status, open_client, unreachable
from penstock.connect.options import REQUIRED, Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.connect.templates import body_template, url_template, with_secrets
from penstock.connect.text import json_text, struct_text
from penstock.errors import ConfigError

Body = Callable[[Record], str]

OPTIONS = (
    Option(
        "http.api.url",
        "template",
        "Where to send. `{COLUMN}`, `{topic}` and `{key}` (also Confluent's `${topic}` and `${key}`) are replaced by the record's, percent-encoded.",
        REQUIRED,
        aliases=("url",),
    ),
    Option(
        "request.method", "choice", "The HTTP method.", "post", choices=("post", "put", "patch", "delete"), aliases=("http.request.method", "method")
    ),
    *HEADERS,
    Option(
        "request.body.format",
        "choice",
        "How a record becomes text where there is no `body.template`: `string` as Kafka Connect prints a struct, `Struct{A=1,B=x}`; "
        "`json` as an object.",
        "string",
        choices=("string", "json"),
    ),
    Option(
        "body.template",
        "template",
        "The body of each record's request, with `{COLUMN}` for a column. In a JSON template (one that starts with a brace or bracket, or any with "
        "`request.body.format`=`json`) the placeholders stand inside strings and are escaped; `{COLUMN:json}`, alone in a string, puts the number, "
        "list or object itself in its place.",
        None,
    ),
    Option("batch.max.size", "integer", "At most this many records in a request.", 1, minimum=1, aliases=("batch.size",)),
    Option(
        "batch.json.as.array",
        "boolean",
        "Whether a body of JSON is an array even where it holds one record. With `batch.max.size` above 1 it always is one.",
        False,
    ),
    Option("batch.prefix", "string", "Stands before the records of a text body.", ""),
    Option("batch.suffix", "string", "Stands after the records of a text body.", ""),
    Option("batch.separator", "string", "Stands between the records of a text body.", ","),
    Option(
        "regex.patterns",
        "regex list",
        "Regular expressions to replace in each record's text, with `regex.separator` between them, applied in order. They work on text: "
        "a value with quotes in it can break a JSON body built in this way, which `body.template` cannot.",
        "",
    ),
    Option("regex.replacements", "regex list", "What to put for each pattern; `$1` is its first group, `${name}` the group of a name.", ""),
    Option("regex.separator", "string", "What stands between patterns, and between replacements.", "~"),
    Option(
        "behavior.on.null.values",
        "choice",
        "What to do with a tombstone: pass it over, send a DELETE to the address, or refuse it.",
        "ignore",
        choices=("ignore", "delete", "fail"),
    ),
    *CONNECTION,
)


class HttpSink:
    """The sink of one task: one client, which keeps its connection open from request to request."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, columns: frozenset[str] | None) -> None:
        self._secrets = secrets
        self._method: str = options["request.method"].upper()
        self._on_tombstone: str = options["behavior.on.null.values"]
        # The address's own secrets are known text: only what comes from the record is encoded.
        address = with_secrets(options["http.api.url"], "http.api.url", secrets)
        if not re.match(r"https?://[^/{]+", address):
            raise ConfigError("'http.api.url' is not the address of a web server.", mend="Write http://HOST/PATH or https://HOST/PATH.")
        self._url = url_template(address, "http.api.url", columns)
        self._body, self._is_json = _body(options, secrets, columns)
        self._replace = _replacements(options)
        self._batch = (options["batch.prefix"], options["batch.separator"], options["batch.suffix"])
        self._as_array = options["batch.max.size"] > 1 or options["batch.json.as.array"]
        self._client = open_client(options, secrets, {"Content-Type": "application/json" if self._is_json else "text/plain; charset=utf-8"})

    def put(self, records: Sequence[Record]) -> None:
        """Send the records: those of one address and method in a row as one request. Raises RetriableError, RefusedError or,
        where we are not let in, ConnectorError."""
        run: list[Record] = []
        where: tuple[str, str] | None = None
        for record in records:
            if record.tombstone and self._on_tombstone == "ignore":
                continue
            if record.tombstone and self._on_tombstone == "fail":
                raise RefusedError(f"{record.place} is a tombstone, and behavior.on.null.values is fail.")
            to = ("DELETE" if record.tombstone else self._method, self._url(record))
            if run and to != where:
                self._send(*(where or to), run)
                run = []
            where = to
            run.append(record)
        if run and where:
            self._send(*where, run)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _send(self, method: str, url: str, records: Sequence[Record]) -> None:
        content = None if records[0].tombstone else self._content(records)
        try:
            response = self._client.request(method, url, content=content)
        except httpx.InvalidURL as error:
            raise RefusedError(f"The address made for {records[0].place} is not one: {self._secrets.redact(str(error))}") from None
        except httpx.TransportError as error:
            raise unreachable(method, url, error, self._secrets) from None
        check_status(method, response, response.content, self._secrets)

    def _content(self, records: Sequence[Record]) -> bytes:
        texts = [self._replace(self._body(record)) for record in records]
        if self._is_json:
            return (f"[{','.join(texts)}]" if self._as_array else texts[0]).encode()
        prefix, separator, suffix = self._batch
        return f"{prefix}{separator.join(texts)}{suffix}".encode()


def _body(options: Mapping[str, Any], secrets: Secrets, columns: frozenset[str] | None) -> tuple[Body, bool]:
    """The function from a record to its text, and whether that is JSON."""
    template, is_json = options["body.template"], options["request.body.format"] == "json"
    if template is None:
        return (lambda r: json_text(r.value_columns()), True) if is_json else (lambda r: struct_text(r.value_columns()), False)
    return body_template(template, "body.template", columns, secrets, is_json=is_json)


def _replacements(options: Mapping[str, Any]) -> Callable[[str], str]:
    """The regex replacements, in the spelling of Java's (`$1`, `${name}`, a backslash before what stands for itself)."""
    if not options["regex.patterns"]:
        return str
    separator = options["regex.separator"]
    patterns = options["regex.patterns"].split(separator) if separator else [options["regex.patterns"]]
    replacements = options["regex.replacements"].split(separator) if separator else [options["regex.replacements"]]
    if len(patterns) != len(replacements):
        raise ConfigError(
            f"'regex.patterns' holds {len(patterns)} and 'regex.replacements' {len(replacements)} parts.",
            mend=f"Give one replacement for each pattern, with '{separator}' between them.",
        )
    compiled = []
    for pattern, replacement in zip(patterns, replacements, strict=True):
        try:
            compiled.append((re.compile(pattern), _java_replacement(replacement)))
        except re.error as error:
            raise ConfigError(f"'regex.patterns' holds {pattern!r}, which is no regular expression: {error}.") from error

    def replace(text: str) -> str:
        for expression, replacement in compiled:
            text = expression.sub(replacement, text)
        return text

    return replace


def _java_replacement(text: str) -> Callable[[re.Match[str]], str]:
    parts = re.findall(r"\\(.)|\$(\d)|\$\{(\w+)\}|([^\\$]+|.)", text, re.DOTALL)

    def put(match: re.Match[str]) -> str:
        return "".join(escaped or plain or (match[int(digit)] if digit else match[name]) or "" for escaped, digit, name, plain in parts)

    return put


DEFINITION = SinkDefinition(
    class_names=("HttpSink", "HttpSinkConnector", "io.confluent.connect.http.HttpSinkConnector"),
    summary="Sends each record, or a batch of them, to a web address: a webhook, a chat's bot, a service.",
    documentation="""\
Delivery is at least once: the connector commits its place after the server has answered 2xx. A connection that fails and the answers 408, 425,
429 and 5xx are tried again, after the server's Retry-After or an exponential back-off; when `max.retries` is used up the task is FAILED, and
starts again by itself, later and later, where it was: an outage loses nothing. 401, 403 and 407 say that we are not let in: the task fails and the
records stay. Any other 4xx says that the server will not have this record: `errors.tolerance` decides. A batch that is refused is sent again record
by record, so that one bad record does not take others with it.

**Telegram** needs a bot's token and a chat's id, which stay out of the statement:

```sql
CREATE SINK CONNECTOR plant_alerts WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'houseplant-low-readings',
  'http.api.url' = 'https://api.telegram.org/bot${env:TELEGRAM_TOKEN}/sendMessage',
  'body.template' = '{"chat_id": "${env:TELEGRAM_CHAT_ID}", "text": "{MESSAGE}"}'
);
```

With Confluent's options the same is written by regular expressions over the struct's text:

```sql
  'headers' = 'Content-Type: application/json',
  'regex.patterns' = '.*MESSAGE=(.*),LOW_READING_COUNT=.*',
  'regex.replacements' = '{"chat_id": "${env:TELEGRAM_CHAT_ID}", "text": "$1"}'
```""",
    example="""\
CREATE SINK CONNECTOR alerts WITH (
  'connector.class' = 'HttpSink',
  'topics' = 'houseplant-low-readings',
  'http.api.url' = 'http://localhost:8080/alert',
  'body.template' = '{"text": "{MESSAGE}", "readings": "{LOW_READING_COUNT:json}"}'
);""",
    options=OPTIONS,
    batch_max=lambda options: options["batch.max.size"],
    open=lambda options, secrets, context: HttpSink(options, secrets, context.columns),
)
