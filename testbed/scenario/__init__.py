"""A journey as a file, run on the pure machine in virtual time, on the simulated wires, or on real
devices.

- `model.py`: the pure machine; `far_ends.py`: which answers it gets; `city.py`: the real rules on
  the sample data.
- `panel_run.py`: the steps at a running kiosk's panel. `wires.py`: on the whole system, with its
  simulated far ends; `real_bench.py`: on real devices, with the hands of `hands.py`.
- `command.py`: `kiosk scenario`. The file's format: `testbed/scenario_file.py`.
"""
