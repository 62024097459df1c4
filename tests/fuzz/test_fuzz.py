"""Random statements through the planner and the engine: each answers or raises penstock.Error, within a second. See `campaign.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fuzz.campaign import LEAK, campaign
from tests.fuzz.statements import KINDS

ROOT = Path(__file__).parents[2]
SHARE_MIN = 0.4
"""At least this share of the statements must run, or the generator only tests refusals."""
SEEDS = 10
STATEMENTS_A_SEED = 10_000


def ran(seed: int, count: int, trail: Path, limit_s: float) -> dict[str, Any]:
    """A campaign in a process of its own, which may die or hang; its counts."""
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--seed", str(seed), "--count", str(count), "--trail", str(trail)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False)
    lines = done.stdout.strip().split("\n")
    assert done.returncode in (0, 1), f"the process died at {trail.read_text()}\n{done.stderr[-3000:]}"
    findings = [json.loads(line) for line in lines[:-1]]
    assert findings == [], "\n".join(f"{f['what']} (episode {f['episode']}): {f['detail']}\n    {f['statement']}" for f in findings)
    counts: dict[str, Any] = json.loads(lines[-1])
    assert counts["share"] > SHARE_MIN, counts["reasons"]
    return counts


def test_a_thousand_statements(tmp_path: Path) -> None:
    counts = ran(1, 1000, tmp_path / "trail", 300)
    assert set(counts["ran"]) | set(counts["refused"]) == set(KINDS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
def test_a_hundred_thousand_statements(seed: int, tmp_path: Path) -> None:
    ran(seed, STATEMENTS_A_SEED, tmp_path / "trail", 3600)


def test_a_seed_gives_the_same_statements_again() -> None:
    first, second = campaign(7, 20), campaign(7, 20)
    assert first[1].ran == second[1].ran
    assert first[1].refused == second[1].refused


@pytest.mark.parametrize("leak", ["Binder Error: x", "pyarrow.lib.ArrowInvalid", "struct_pack(v := 1)", "penstock_lpad_0a1b2c(c0)", "<class 'int'>"])
def test_what_counts_as_a_leak(leak: str) -> None:
    assert LEAK.search(f"The query cannot be answered: {leak}.")
