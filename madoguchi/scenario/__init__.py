"""A journey as a file, run on the pure machine in virtual time or on the simulated wires.

script.py   the file's format
model.py    the pure machine        world.py  what answers it       city.py  the real rules on the sample data
wires.py    the whole system, driven from the outside
command.py  `kiosk scenario`
"""
