"""The command line ``opt-istn``.

Exit codes: 0 done, 1 the solver crashed (or nobody reads the output), 2 bad input, 3 a limit hit
without a plan, 4 a claim refuted, 130 interrupted. Every error is one line on stderr. What a
command needs is imported when it runs, so that the command line itself starts fast.
"""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from opt_istn.cli import instances, library, prove, runs, train
from opt_istn.files import InputError

INTERRUPTED = 130

app = typer.Typer(
    help="Exact baselines, heuristics and learned agents for integrated satellite-terrestrial "
    "networks, and how far each is from the best bound that an engine has proven.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from opt_istn.version import full_version

        print("opt-istn", full_version())
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


instances.register(app)
runs.register(app)
prove.register(app)
library.register(app)
train.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process by default."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # any file name can be printed
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        code = app(args=given or ["--help"], prog_name="opt-istn", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _fail(2, f"{error.format_message()} (see opt-istn --help)")
    except InputError as error:
        return _fail(2, str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # nobody reads on: what is still buffered must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except SystemExit as end:
        code = end.code
    if code == INTERRUPTED:
        return _fail(INTERRUPTED, "interrupted")
    return code if isinstance(code, int) else 0


def _fail(code: int, text: str) -> int:
    print("opt-istn:", " ".join(text.split()), file=sys.stderr)
    return code
