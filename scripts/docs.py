"""Write the part of docs/ that is generated from the definitions in the code; with --check only say what is stale, and fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock import settings
from penstock.cli import pages as command_pages
from penstock.connect import pages as connect_pages
from penstock.formats import pages as format_pages
from penstock.functions import document as functions_docs
from penstock.plan import properties
from penstock.server import pages as server_pages
from penstock.sql import docs as sql_docs

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

# One entry for each kind of definition: a function that yields (path below docs/, text).
Generator = Callable[[], Iterator[tuple[str, str]]]
GENERATORS: list[Generator] = [
    lambda: iter([("settings.md", settings.page())]),
    connect_pages.pages,
    format_pages.pages,
    command_pages.pages,
    server_pages.pages,
    sql_docs.pages,
    functions_docs.pages,
    lambda: iter([("sql/properties.md", properties.page())]),
]


def generated() -> dict[Path, str]:
    """Every generated page, by its path."""
    return {DOCS / path: text.rstrip() + "\n" for generator in GENERATORS for path, text in generator()}


def stale() -> list[Path]:
    """The pages that differ from what the code says now."""
    return [path for path, text in generated().items() if not path.is_file() or path.read_text() != text]


def main() -> None:
    """Write what is stale, or with --check name it and exit with 1."""
    pages = stale()
    if "--check" in sys.argv[1:]:
        for path in pages:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`", file=sys.stderr)
        sys.exit(1 if pages else 0)
    for path in pages:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[path])
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
