"""docs/server.md, from the doors' definitions."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.server.answers import BODY_BYTES_MAX
from penstock.server.door import Door, Endpoint
from penstock.server.doors import doors

_INTRODUCTION = """\
# The server

`penstock server --data FOLDER` opens a database for programs of any language: one process, and a door for each interface that they know.

```sh
penstock server pipeline.sql --data plants
curl localhost:8088/ksql --json '{"ksql": "SHOW STREAMS;"}'
```

| door | port | |
| --- | --- | --- |
%(doors)s

`--listen` moves or shuts them: `--listen ksql=127.0.0.1:9088`, `--listen connect=off`, `--listen ::1`. A folder belongs to one process that writes;
others open it for reading meanwhile (`penstock shell`, `penstock query`). Ctrl-C or SIGTERM ends the server: it takes no more requests, ends
streams, lets what is under way finish, and closes the folder. A server that is killed loses nothing that it has answered.

## Who may come in

Without more, the doors listen on 127.0.0.1, which no other machine can reach, and ask for no password. Web pages are kept out all the same: a
request that a browser sends for a page of another origin is refused (`Origin`, `Sec-Fetch-Site`), and so is one that calls the server by another
name than `localhost`, `127.0.0.1`, `[::1]` or those of `--allow-host`.

Another address is taken only with `--users FILE`. A line of that file is a name, a colon and a password's hash, as `penstock password NAME` prints
it, or instead of the hash a reference to where the password is: `${env:NAME}`, or `${file:PATH:KEY}` below the file's own folder. Clients send both
by HTTP Basic, which ksqlDB's and Connect's clients know. `--certificate` and `--key` (PEM) encrypt: without them passwords can be read on the way.
Every user may do everything.

**What a client can reach.** Who may send SQL may create connectors: they connect to any address, read and write files below the [allowed
folders](settings.md) only, and may use every environment variable that `config.providers.env.param.allowlist.pattern` allows, which are all unless
`--set` narrows it. RUN SCRIPT reads files below the same folders only, and ordinary SQL none. Settings that say what is allowed can be given at the
start alone.

A request's body may have %(bytes)s; statements are limited [as everywhere](sql/statements.md).
"""


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs/, text) of the server's page."""
    found = list(doors().values())
    rows = "\n".join(f"| [{door.name}](#{door.name}) | {door.port} | {door.documentation.partition('. ')[0].rstrip('.')} |" for door in found)
    introduction = _INTRODUCTION % {"doors": rows, "bytes": f"{BODY_BYTES_MAX // 1024 // 1024} MiB"}
    yield "server.md", "\n".join([introduction, *(_door(door) for door in found)])


def _door(door: Door) -> str:
    return "\n".join([f"## {door.name}", "", door.documentation, "", *(_endpoint(each) for each in door.endpoints)])


def _endpoint(each: Endpoint) -> str:
    lines = [f"### {each.method} {each.path.replace(':path', '')}", "", each.documentation, ""]
    for example in (each.takes, each.gives):
        if example:
            lines += ["```json", example, "```", ""]
    return "\n".join(lines)
