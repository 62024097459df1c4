"""requirements.lock: complete, hashed, in step with pyproject.toml, and tied to no registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scripts.lock import asked

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()


def pins() -> dict[str, list[str]]:
    """Package -> its pinned versions (several where platforms or Pythons differ)."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def test_in_step_with_pyproject() -> None:
    stated = re.search(r"^# asked (\w+)", LOCK)
    assert stated, "requirements.lock has no digest: run `make lock`"
    assert stated[1] == asked(), "pyproject.toml asks for other packages than requirements.lock was made for: run `make lock`"


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    extras = settings["project"]["optional-dependencies"]
    wanted = [*settings["project"]["dependencies"], *(r for extra in extras.values() for r in extra), *settings["dependency-groups"]["dev"]]
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name == "penstock":
            continue
        versions = pins().get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
        assert all(v in requirement.specifier for v in versions), f"the lock has {requirement.name} {versions}, pyproject.toml wants {requirement}"


def test_every_pin_has_a_hash() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK.split("\n", 1)[1].strip())
    assert len(blocks) > 30
    for block in blocks:
        assert "--hash=sha256:" in block, f"no hash: {block.splitlines()[0]}"


def test_names_no_registry() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK
