"""The pipeline's SQL is the talk's, without its pull query, which is for whoever asks."""

from __future__ import annotations

from pipelines.houseplants.config import FOLDER
from tests.talks.texts import statements

from penstock.sql import ast
from penstock.sql.parser import parse, parse_one

TALK = "".join(each for each in statements("houseplants") if not isinstance(parse_one(each), ast.Query))


def words(text: str) -> list[str]:
    """The text without comments and layout."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).replace("(", " ( ").replace(")", " ) ").replace(",", " , ").replace(";", " ; ").split()


def test_the_statements_are_those_of_the_slides() -> None:
    assert words((FOLDER / "pipeline.sql").read_text()) == words(TALK)


def test_and_so_are_their_meanings() -> None:
    parsed = parse((FOLDER / "pipeline.sql").read_text())
    assert parsed == parse(TALK)
    assert len(parsed) == 4


def test_the_readme_shows_the_same_statements() -> None:
    """The README of the pipeline and that of the project show the window's query as it is."""
    query = parse((FOLDER / "pipeline.sql").read_text())[3].text
    for readme in (FOLDER / "README.md", FOLDER.parents[1] / "README.md"):
        assert " ".join(query.split()) in " ".join(readme.read_text().split()), readme
