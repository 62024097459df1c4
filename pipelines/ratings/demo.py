"""The whole pipeline, from ratings and a database to unhappy platinum customers, live: what `penstock demo ratings` runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConfigError
from penstock.simulation import Background

from .config import Config, load
from .customers_table import CustomersTable
from .dashboard import Dashboard
from .people import Moves
from .server import Address, running
from .setup import connect_outlets, rest, set_up

if TYPE_CHECKING:
    from penstock import Database, Row

CONNECTORS_WAIT = True
"""Until the customers' database runs and `set_up` has written its port to the environment."""
SPEED = 1.0
"""As in the world: ratings are given now."""
RATINGS = "SELECT rating_id, channel, stars, message, full_name, email, club_status, extract_ts FROM ratings_with_customer_data EMIT CHANGES;"
UNHAPPY = "SELECT full_name, email, stars, message, extract_ts FROM unhappy_platinum_customers EMIT CHANGES;"


def run(
    db: Database,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None = None,
    config: Config | None = None,
    view: Dashboard | None = None,
) -> None:
    """Run until `stop` is set or so many unhappy platinum customers have shown. `speed`: ratings and moves come so many times as often."""
    config, view = config or load(), view or Dashboard()
    if db.path == ":memory:":
        raise ConfigError("The ratings need a database in a folder, which holds the customers' one and the lake.", mend="Leave --data out.")
    folder = Path(db.path)
    with running(config, folder) as address:
        try:
            _run(db, config, address, view, folder / "files" / "lake", speed=speed, seed=seed, stop=stop, alerts_max=alerts_max)
        finally:
            rest(db)


def _run(
    db: Database,
    config: Config,
    address: Address,
    view: Dashboard,
    lake: Path,
    *,
    speed: float,
    seed: int,
    stop: threading.Event,
    alerts_max: int | None,
) -> None:
    """Run against a database that runs."""
    with contextlib.closing(CustomersTable(address)) as table:
        table.fill()
        set_up(db, config, address, seed=seed, speed=speed)
        to = connect_outlets(db, config, lake)
        where = f"{address.kind} on port {address.port}" if address.port else "a SQLite file"
        print(f"{len(table.rows())} customers in {where}; notifications go to {to}.", flush=True)
        db.execute("SET 'auto.offset.reset' = 'latest';")  # what was there before this start is not news
        ratings, unhappy = db.query(RATINGS), db.query(UNHAPPY)
        db.execute("UNSET 'auto.offset.reset';")
        background = Background(stop)
        background.start("ratings", lambda: follow(ratings, view.rating))
        background.start("unhappy", lambda: follow(unhappy, view.unhappy))
        if config.change_every_s:
            background.start("moves", lambda: move(table, Moves(seed), config.change_every_s / speed, view, stop))
        try:
            view.show(stop, lambda: alerts_max is not None and view.unhappy_count >= alerts_max)
        finally:
            stop.set()
            for query in (ratings, unhappy):
                query.close()
            background.join()


def follow(rows: Iterable[Row], show: Callable[[Row], None]) -> None:
    """Show each row as it comes."""
    for row in rows:
        show(row)


def move(table: CustomersTable, moves: Moves, every_s: float, view: Dashboard, stop: threading.Event) -> None:
    """Let somebody join another club now and then, in the customers' own database."""
    while not stop.wait(every_s):
        customer, club = moves.next()
        table.move(customer, club)
        view.moved(customer, club)
