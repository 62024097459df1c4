"""`penstock server`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import penstock
from penstock.cli.beginning import begin, configurations
from penstock.cli.options import DEFAULT_FOLDER, Connectors, Data, Functions, setting_of
from penstock.cli.run import execute
from penstock.cli.stopping import stop_event


def server(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.sql]", help="Statements to run before anybody is let in.", dir_okay=False)] = None,
    data: Data = DEFAULT_FOLDER,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar="ADDRESS",
            help="Where: HOST or HOST:PORT for all doors, DOOR=HOST:PORT or DOOR=PORT for one, DOOR=off for none; port 0 is any. May be given "
            "several times. Without it each door listens on 127.0.0.1 at its own port.",
        ),
    ] = None,
    users: Annotated[
        Path | None,
        typer.Option("--users", metavar="FILE", help="Ask for a name and password, those of this file; `penstock password` writes its lines."),
    ] = None,
    certificate: Annotated[Path | None, typer.Option("--certificate", metavar="FILE.pem", help="Speak TLS, with this certificate.")] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE.pem", help="The certificate's key.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name by which the server may be called besides localhost; may be given several times."),
    ] = None,
    functions: Functions = None,
    connector: Connectors = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, for all who do not set it themselves; may be given several times."),
    ] = None,
) -> None:
    """Serve a database over the network, with its queries and connectors, until Ctrl-C: docs/server.md tells which doors there are.

    An address that others can reach is taken only with --users. On a folder where FILE.sql ran before, write CREATE ... IF NOT EXISTS in it.

    \b
    Example:
      penstock server pipeline.sql --data plants
    """
    from penstock.server.authentication import read_users
    from penstock.server.hosting import Server
    from penstock.server.listening import Access, Bound, is_loopback, parse_listeners

    listeners = parse_listeners(listen or [])
    access = Access(read_users(users) if users else None, tuple(allow_host or ()), certificate, key)
    found = configurations(connector or [])
    with (
        stop_event() as stop,
        Bound(listeners, access) as bound,
        penstock.connect(data, functions=functions, properties=dict(setting_of(each, "--set") for each in setting or [])) as db,
    ):
        if certificate is None and not all(is_loopback(listener.host) for listener in listeners):
            print("Passwords come in unencrypted: --certificate and --key encrypt them.", file=sys.stderr)
        begin(db, found, file, lambda statement: execute(db, statement, file or Path()), stop.is_set)
        if stop.is_set():
            return
        with Server(db, bound) as serving:
            print(f"Ready: {', '.join(f'{door} {url}' for door, url in serving.addresses)}. Ctrl-C ends.", flush=True)
            stop.wait()
