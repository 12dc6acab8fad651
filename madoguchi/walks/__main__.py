"""`python -m madoguchi.walks --numbers 3,14,15`: one walk again."""

from __future__ import annotations

import sys

from madoguchi.walks.command import main

sys.exit(main())
