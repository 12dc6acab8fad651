"""A journey as a file, run on the pure machine in virtual time or on the simulated wires.

script.py  the file's format      model.py  the pure machine, with a world that answers at once
wires.py   the whole system, driven from the outside      command.py  `kiosk scenario`
"""
