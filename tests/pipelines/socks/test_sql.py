"""The pipeline's SQL is the talk's, but for two things that the slides have amiss."""

from __future__ import annotations

from pipelines.socks.config import FOLDER
from tests.talks.texts import text

from penstock.sql.parser import parse


def test_what_differs_from_the_slides() -> None:
    connector, stream, without_blanks, smoothed = parse((FOLDER / "pipeline.sql").read_text())
    talk_connector, _, talk_stream, talk_smoothed, talk_without_blanks, talk_pairs = parse(text("socks"))
    assert (connector, stream) == (talk_connector, talk_stream)
    assert parse((FOLDER / "pairs.sql").read_text()) == [talk_pairs]
    # The camera's messages say 'Blank' on every slide.
    assert parse(without_blanks.text.replace("'Blank'", "'blank'") + ";") == parse(talk_without_blanks.text + ";")
    # The wall is taken out before socks are smoothed, or it would be a sock: the talk's result has none.
    assert parse(smoothed.text.replace("sock_stream_without_blanks", "sock_stream") + ";") == parse(talk_smoothed.text + ";")
