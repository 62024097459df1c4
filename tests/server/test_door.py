"""What becomes of an endpoint's failure."""

from __future__ import annotations

import logging

import pytest

from penstock.errors import SqlError
from penstock.server.answers import Refusal
from penstock.server.ksql.door import DOOR


def test_a_bug_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The client and the log get a line each, the log with the place; the traceback is for DEBUG."""
    caplog.set_level(logging.INFO, "penstock.server")
    with pytest.raises(KeyError) as failed:
        dict[str, int]()["somewhere"]
    refusal = DOOR.refusal(failed.value)
    assert (refusal.status, DOOR.error_body(refusal)["error_code"]) == (500, 50000)
    assert refusal.message.startswith("Penstock has a bug: KeyError: 'somewhere'. Please report it")
    (record,) = caplog.records
    assert "test_door.py:" in record.getMessage()
    assert record.exc_info is None


def test_errors_of_users_are_theirs() -> None:
    assert DOOR.error_body(DOOR.refusal(SqlError("Nothing is right."))) == {
        "@type": "generic_error", "error_code": 40001, "message": "Nothing is right.",
    }  # fmt: skip
    assert DOOR.error_body(DOOR.refusal(Refusal(404, "Not here.", fields={"more": 1}))) == {
        "@type": "generic_error", "error_code": 40400, "message": "Not here.", "more": 1,
    }  # fmt: skip
