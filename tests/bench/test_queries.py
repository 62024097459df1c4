"""Every query of the benchmark gives what DuckDB gives, on few events; and each that grows can be measured."""

from __future__ import annotations

import pytest
from bench import one
from bench.growth import GROWTHS, cost_us
from bench.queries import BENCHES


@pytest.mark.parametrize("name", BENCHES)
def test_the_answers_are_duckdbs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one, "CHUNK", 700)
    result = one.run(name, 6_000)
    assert result["rows"] > 1


@pytest.mark.parametrize("name", GROWTHS)
def test_growth_is_measured(name: str) -> None:
    assert cost_us(name, 3_000, 1_000) > 0
