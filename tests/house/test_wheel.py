"""What `pip install` brings: the package, and the pipelines with their SQL, schemas and configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel; hatchling alone is needed, and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("penstock-*.whl"))


def test_it_carries_all_that_runs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (*(ROOT / "src").rglob("*"), *(ROOT / "pipelines").rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        inside = path.relative_to(ROOT / "src") if path.is_relative_to(ROOT / "src") else Path("penstock") / path.relative_to(ROOT)
        assert str(inside) in names, f"the wheel lacks {inside}"


def test_an_installed_demo_runs_without_the_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "penstock.cli.main", "demo", "houseplants", "--alerts", "1", "--speed", "20000", "--data", "plants"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "ALERT " in ended.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import penstock.cli.demo as d; print(d.folders()['houseplants'])"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(tmp_path / "site" / "penstock" / "pipelines" / "houseplants")
