"""What a database's error means for a task: try again, refuse these records, or fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.connect.contract import RefusedError, RetriableError
from penstock.connect.secrets import Secrets
from penstock.errors import ConnectorError

if TYPE_CHECKING:
    import sqlalchemy.exc

# SQLSTATE: no connection, a serialisation failure or deadlock, no resources, the operator's intervention, a lock not to be had, a system error.
_TRY_AGAIN_STATES = ("08", "40", "53", "57", "55P03", "58")
_REFUSED_STATES = ("22", "23")
# MySQL's numbers: no connection, lost, too many, shutting down, a lock wait's end, a deadlock.
_TRY_AGAIN_NUMBERS = frozenset(
    {1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1927, 2002, 2003, 2006, 2013, 2014, 2055}
)
# Not let in, no such database, table or column, a mistake in SQL, read only: no fault of the records.
_OURS_NUMBERS = frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1227, 1290, 1698, 1792, 1836})
_LOCKED = ("database is locked", "database table is locked", "disk I/O error", "unable to open database file")


def failure(error: sqlalchemy.exc.SQLAlchemyError, doing: str, secrets: Secrets) -> ConnectorError:
    """The error to raise for one of SQLAlchemy's; `doing` says what was tried, and where ('INSERT into x of postgresql HOST/DATABASE')."""
    import sqlalchemy

    if not isinstance(error, sqlalchemy.exc.DBAPIError) or error.orig is None:
        return ConnectorError(f"{doing} failed: {_words(error, secrets)}.")
    what = f"{doing} failed: {_words(error.orig, secrets)}."
    if error.connection_invalidated:
        return RetriableError(what)
    state, number = getattr(error.orig, "sqlstate", None), error.orig.args[0] if error.orig.args else None
    if state:
        retry, refused = state.startswith(_TRY_AGAIN_STATES), state.startswith(_REFUSED_STATES)
    elif isinstance(number, int):
        retry = number in _TRY_AGAIN_NUMBERS
        refused = not retry and number not in _OURS_NUMBERS
    elif type(error.orig).__module__.startswith("psycopg"):
        retry, refused = isinstance(error, sqlalchemy.exc.OperationalError), isinstance(error, sqlalchemy.exc.DataError)  # before the server spoke
    else:
        retry = any(words in str(error.orig) for words in _LOCKED)
        refused = isinstance(error, sqlalchemy.exc.IntegrityError | sqlalchemy.exc.DataError | sqlalchemy.exc.InterfaceError)
    if retry:
        return RetriableError(what)
    return RefusedError(what) if refused else ConnectorError(what, mend="Check the address, the user's rights and the tables.")


def _words(error: BaseException, secrets: Secrets) -> str:
    """What the database said, on one line."""
    parts = error.args if len(error.args) == 2 and isinstance(error.args[0], int) else ()
    text = f"{parts[1]} ({parts[0]})" if parts else str(error)
    return secrets.redact(" ".join(text.split())).rstrip(".")
