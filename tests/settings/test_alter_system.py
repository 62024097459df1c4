"""ALTER SYSTEM: settings that are kept with the database."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from penstock.errors import ConfigError

STREAM = "CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON');"


def value(db: penstock.Database, name: str) -> str:
    (found,) = [row[1] for row in db.execute("SHOW PROPERTIES;")[0].rows if row[0] == name]
    return str(found)


def test_a_property_outlives_the_process(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute("ALTER SYSTEM 'num.partitions' = '2'; ALTER SYSTEM 'ksql.streams.NUM.partitions' = '3'; SET 'auto.offset.reset' = 'latest';")
    with penstock.connect(tmp_path / "db") as db:
        assert (value(db, "num.partitions"), value(db, "auto.offset.reset")) == ("3", "earliest")
        with db.enter(db.remote_session({}, {})):
            db.execute(STREAM)
        topic = db.log.topic("s")
        assert topic is not None
        assert topic.partitions == 3
    with penstock.connect(tmp_path / "db", read_only=True) as db:
        assert value(db, "num.partitions") == "3"


def test_what_the_opening_says_comes_first(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        db.execute("ALTER SYSTEM 'num.partitions' = '3'; ALTER SYSTEM 'auto.offset.reset' = 'latest';")
    with penstock.connect(tmp_path / "db", properties={"num.partitions": "2"}) as db:
        assert (value(db, "num.partitions"), value(db, "auto.offset.reset")) == ("2", "latest")


def test_it_widens_no_folders(tmp_path: Path) -> None:
    with penstock.connect(tmp_path / "db") as db:
        for session in (db.session, db.remote_session({}, {})):
            with db.enter(session), pytest.raises(ConfigError, match="holds from when the database is opened; a statement cannot set it"):
                db.execute("ALTER SYSTEM 'connector.file.allowed.paths' = '/';")
        assert db.catalog.properties() == {}
        with pytest.raises(ConfigError, match="is at least 1"):
            db.execute("ALTER SYSTEM 'num.partitions' = '0';")
