"""``python -m opt_istn``: the command line."""

import sys

from opt_istn.cli import main

if __name__ == "__main__":
    sys.exit(main())
