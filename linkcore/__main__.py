"""``python -m linkcore``: the command line."""

import sys

from linkcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
