import sys

from firmware.tools.cli import main

sys.exit(main())
