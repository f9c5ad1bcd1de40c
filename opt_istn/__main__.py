"""``python -m opt_istn`` and ``opt-istn``: the command line."""

import sys


def main() -> int:
    """Run a command; an interrupt that comes while it is still being imported is one line, too."""
    try:
        from opt_istn.cli import main as command
    except KeyboardInterrupt:
        print("opt-istn: interrupted", file=sys.stderr)
        return 130
    return command()


if __name__ == "__main__":
    sys.exit(main())
