"""Variables: `${name}` in SQL text stands for the text that DEFINE gave the name."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_REFERENCE = re.compile(r"\$?\$\{([A-Za-z_]\w*)\}", re.ASCII)


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Replace each `${name}` by its value; the keys of `variables` are lower case, names are found whatever their case.

    `$${name}` becomes `${name}`. A variable that is not defined stays as it is: in a string it may mean something to a
    connector, outside of one the parser refuses it. `${file:path:KEY}` and `${env:NAME}` are not variables.
    """

    def value(match: re.Match[str]) -> str:
        if match.group().startswith("$$"):
            return match.group()[1:]
        return variables.get(match.group(1).lower(), match.group())

    return _REFERENCE.sub(value, text)
