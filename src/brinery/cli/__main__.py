"""``python -m brinery.cli`` is the command ``brinery``."""

import sys

from brinery.cli import main

if __name__ == "__main__":
    sys.exit(main())
