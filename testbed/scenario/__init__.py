"""A journey as a file, run on the pure machine in virtual time or on the simulated wires.

- `model.py`: the pure machine; `far_ends.py`: which answers it gets; `city.py`: the real rules on
  the sample data.
- `wires.py`: the whole system, driven from the outside.
- `command.py`: `kiosk scenario`. The file's format: `testbed/scenario_file.py`.
"""
