"""The command line, started as ``python -m linkcore``."""

import sys

from linkcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
