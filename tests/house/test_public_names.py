"""The names of the package."""

from __future__ import annotations

import subprocess
import sys


def test_connect_stays_a_function_when_the_package_of_that_name_is_used() -> None:
    program = (
        "import penstock, penstock.connect.runtime; from penstock.connect import pages;"
        "assert callable(penstock.connect); penstock.connect(':memory:').close()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there() -> None:
    import penstock

    assert [name for name in penstock.__all__ if not hasattr(penstock, name)] == []
