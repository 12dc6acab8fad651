"""`python -m testbed.field_day`."""

import sys

from testbed.field_day.command import main

if __name__ == "__main__":
    sys.exit(main())
