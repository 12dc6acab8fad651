"""The texts are tried on the panel's screens."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "panel"))
