"""The command line ``opt-istn``.

Exit codes: 0 done (also where nobody reads on, as after ``| head``), 1 the solver or opt-istn
itself crashed, 2 bad input or an output that is full, 3 a limit hit without a plan, 4 a claim
refuted, 130 interrupted, 143 terminated (SIGTERM). Every error is one line on stderr. What a
command needs is imported when it runs, so that the command line itself starts fast.
"""

import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, TextIO

import typer

from opt_istn import platforms
from opt_istn.cli import (
    clusters,
    examples,
    frontier,
    generating,
    instances,
    library,
    lists,
    prove,
    referee,
    reproduce,
    runs,
    starts,
    train,
)
from opt_istn.cli.terminal import ending, output, streams
from opt_istn.files import DialectWarning, InputError

app = typer.Typer(
    help="Exact baselines, heuristics and learned agents for integrated satellite-terrestrial "
    "networks, and how far each is from the best bound that an engine has proven.",
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


lists.register(app)
generating.register(app)
instances.register(app)
runs.register(app)
referee.register(app)
clusters.register(app)
prove.register(app)
frontier.register(app)
library.register(app)
train.register(app)
starts.register(app)
reproduce.register(app)
examples.attach(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process by default."""
    if reason := platforms.refusal():
        return _fail(2, reason)
    streams.prepare()
    given = sys.argv[1:] if arguments is None else list(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        warnings.simplefilter("always", DialectWarning)
        try:
            with ending.listening() as listener:
                code = _run(given or ["--help"])
            if code != ending.INTERRUPTED:
                return code
            if listener.heard:
                return _fail(ending.TERMINATED, "terminated")
            return _fail(code, "interrupted")
        except MemoryError:
            return _fail(2, "expected input that fits into memory")
        except Exception as error:  # the last resort: whatever else there is is our own fault
            log = streams.log(traceback.format_exc())
            kind = type(error).__name__
            return _fail(1, f"a fault of opt-istn itself ({kind}: {error}); the log is {log}")


def _run(arguments: Sequence[str]) -> int:
    """Run one command; what its user or the system can be wrong about becomes one line."""
    try:
        _get_ready(arguments)
        code = app(args=arguments, prog_name="opt-istn", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _fail(2, f"{error.format_message()} (see opt-istn --help)")
    except InputError as error:
        return _fail(2, str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = ending.INTERRUPTED
    except BrokenPipeError:  # nobody reads on, as after `| head`
        streams.silence()
        code = 0
    except OSError as error:
        if not streams.is_full(error):
            raise
        streams.silence()
        return _fail(2, f"the output cannot be written ({error.strerror})")
    except SystemExit as end:
        code = end.code
        if isinstance(end.__context__, BrokenPipeError):  # typer and rich exit with 1
            streams.silence()
            code = 0
    return code if isinstance(code, int) else 0


def _get_ready(arguments: Sequence[str]) -> None:
    """Start the process that forks a solver's run while options are still being read."""
    simple = not any(given.startswith(("--threads", "--help")) for given in arguments)
    if arguments[0] == "solve" and simple:
        from opt_istn.runs.nursery import worker

        worker.warm_up(1)


def _warn(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature is Python's
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    output.complain(f"warning: {message}")


def _fail(code: int, text: str) -> int:
    output.complain(text)
    return code
