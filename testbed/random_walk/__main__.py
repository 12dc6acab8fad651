"""`python -m testbed.random_walk --numbers 3,14,15`: one walk again."""

from __future__ import annotations

import sys

from testbed.random_walk.command import main

sys.exit(main())
