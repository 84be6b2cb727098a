"""``python -m lifjax`` is ``lifjax``."""

import sys

from lifjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
