"""The command `penstock`: its subcommands, and what becomes of an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import typer

from penstock.cli import bot, demo, password, query, run, server, shell, sql_tests, version
from penstock.errors import Error

app = typer.Typer(
    name="penstock",
    help="An event-streaming database: topics, streaming SQL, schemas and connectors in one process, on one folder.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "run": run.run, "server": server.server, "shell": shell.shell, "query": query.query, "test": sql_tests.run_tests, "demo": demo.demo,
    "bot": bot.bot, "password": password.password, "version": version.version,
}  # fmt: skip
for name, command in COMMANDS.items():
    app.command(name)(command)


SQL_ALONE = ("run", "server", "shell", "query")
"""The commands that run no Python but Penstock's own, unless they are given functions."""


class WithoutPandas(MetaPathFinder):
    """Says that pandas is not installed. pyarrow imports it, where it is, with the first array it makes, which takes 0.2 s of the processor's time
    and 33 MB; yet Penstock needs it only for what a Python program asks for."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raise ModuleNotFoundError for pandas."""
        if fullname == "pandas":
            raise ModuleNotFoundError("Penstock's commands do without pandas.", name=fullname)


def main(arguments: list[str] | None = None) -> None:
    """Run the command of `arguments` (those of the process by default) and exit: 0 when it went well, 1 for an error, 2 for wrong usage.

    An error is one line on stderr. A traceback is shown only for a bug in Penstock, and only with PENSTOCK_DEBUG=1.
    """
    if arguments is None and sys.argv[1:2] in [[name] for name in SQL_ALONE] and not any(each.startswith("--functions") for each in sys.argv):
        sys.meta_path.insert(0, WithoutPandas())
    sys.exit(_code(sys.argv[1:] if arguments is None else arguments))


def _code(arguments: list[str]) -> int:
    try:
        code = app(arguments or ["--help"], prog_name="penstock", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "penstock"
        print(f"{' '.join(error.format_message().split()).rstrip('.')}. See: {where} --help", file=sys.stderr)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Error as error:
        if os.environ.get("PENSTOCK_DEBUG"):
            traceback.print_exc()
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - the last place where a bug can be told of in one line
        if os.environ.get("PENSTOCK_DEBUG"):
            traceback.print_exc()
        what = " ".join(str(error).split())
        print(
            f"Penstock has a bug: {type(error).__name__}: {what}. Please report it, with what PENSTOCK_DEBUG=1 shows, "
            "at the project's issue tracker.",
            file=sys.stderr,
        )
        return 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
