"""`python -m training.evaluate NETWORK --run NAME`."""

import sys

from training.evaluate.command import main

if __name__ == "__main__":
    sys.exit(main())
