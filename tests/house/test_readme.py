"""The README's example runs and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_python_example_runs(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    said = re.search(r"It prints `(.*?)`", README)
    assert example
    assert said
    assert len(example[1].splitlines()) <= 16
    ended = subprocess.run([sys.executable, "-c", example[1]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout.strip(), ended.stderr) == (said[1], "")


def test_the_example_of_python_functions_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "python-functions.md").read_text()
    example, said = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "text"))
    assert example
    assert said
    (tmp_path / "example.py").write_text(example[1])
    ended = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == (said[1], "")


def test_every_link_leads_somewhere() -> None:
    root = Path(__file__).parents[2]
    for page in (root / "README.md", *root.glob("docs/**/*.md"), *root.glob("pipelines/*/README.md")):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(root)} links to {target}, which is not there"
