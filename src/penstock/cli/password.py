"""`penstock password`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock.errors import ConfigError


def password(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")],
) -> None:
    """Print a line for the users file of `penstock server`: a name, and a hash of the password that is asked for (or read from the input).

    \b
    Example:
      penstock password ann >> users
    """
    from penstock.server.authentication import hashed

    if not name.strip() or any(sign in name for sign in ":#\n\r"):
        raise ConfigError(f"{name!r} can be no user's name.", mend="Leave out colons and #.")
    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise ConfigError("The password is empty.", mend="Give one.")
    print(f"{name}:{hashed(given)}")
