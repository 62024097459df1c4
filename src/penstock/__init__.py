"""Penstock: an event-streaming database in one Python process.

>>> import penstock
>>> with penstock.connect(":memory:") as db:
...     _ = db.execute("CREATE STREAM readings (plant STRING KEY, moisture DOUBLE) WITH (kafka_topic='readings', value_format='JSON');")
...     _ = db.insert("readings", [{"plant": "Crouton", "moisture": 12.5}, {"plant": "Ginny", "moisture": 61.0}])
...     db.query("SELECT plant FROM readings WHERE moisture < 25;").fetchall()
[('Crouton',)]
"""

from typing import TYPE_CHECKING, Any

import penstock.connect  # noqa: F401 - loaded first, so that its name gives way to the function's for good
from penstock.database import Database, connect
from penstock.errors import ConfigError, ConnectorError, DataError, Error, SchemaError, SqlError, StorageError, TopicError
from penstock.registry.model import Schema
from penstock.result import Query, Result, Row

if TYPE_CHECKING:
    from penstock.functions.python import udaf, udf, udtf

__all__ = [
    "ConfigError", "ConnectorError", "DataError", "Database", "Error", "Query", "Result", "Row", "Schema", "SchemaError", "SqlError", "StorageError",
    "TopicError", "connect", "udaf", "udf", "udtf",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """The decorators of Python functions, loaded on first use."""
    if name not in ("udaf", "udf", "udtf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock.functions import python

    return getattr(python, name)
