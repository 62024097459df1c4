"""What the repository's text may not hold, and how long a module may be."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("src", "pipelines", "bench", "scripts", "tests")
LINES_MAX = 500
# Written in pieces, so that this file may name them.
PIECES = (("py", "pi.org"), ("pythonhosted", ".org"), ("registry.npm", "js.org"), ("maven", ".org"), ("maven", ".apache.org"))
REGISTRIES = [a + b for a, b in PIECES]
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}


def tracked() -> list[Path]:
    """The files of the repository: those that git knows or would add; all of them in an unpacked source archive."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if ".venv" not in p.parts]
    return [ROOT / n for n in names if (ROOT / n).is_file() and not (ROOT / n).is_symlink()]


def modules() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in CODE]


def test_no_registry_is_named() -> None:
    for path in tracked():
        text = path.read_bytes()
        for host in REGISTRIES:
            assert host.encode() not in text, f"{path.relative_to(ROOT)} names the registry {host}"


def test_modules_are_named_for_what_they_hold() -> None:
    for path in modules():
        for part in path.relative_to(ROOT).with_suffix("").parts:
            assert part not in VAGUE, f"{path.relative_to(ROOT)}: name it for what it holds"


def test_modules_stay_small_enough_to_read() -> None:
    sizes = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in modules()}
    long = {str(p): n for p, n in sizes.items() if n > LINES_MAX}
    assert not long, f"split by noun, over {LINES_MAX} lines: {long}"


@pytest.mark.parametrize("name", ["Makefile", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "requirements.lock", ".ci/run"])
def test_the_outer_works_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_decisions_are_numbered_once_and_titled() -> None:
    notes = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert notes
    numbers = [p.name[:4] for p in notes]
    assert len(set(numbers)) == len(numbers), f"two decisions share a number: {numbers}"
    for path in notes:
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), path.name
        assert path.read_text().startswith("# "), f"{path.name} has no title"
