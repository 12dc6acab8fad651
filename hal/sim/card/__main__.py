import sys

from hal.sim.card.command import main

sys.exit(main())
