"""The model check: the journey explored exhaustively. It runs the flow and the permits of
production, in the world of `testbed/world`.

kiosk.py          flow and permits, one step at a time
properties.py     what must hold, each in plain words
state_checks.py   what is checked in every state
step_checks.py    what is checked at every step
command_rules.py  what is checked at every command
probes.py         commands and events that are tried at every moment
search.py         breadth first, shortest counter-examples
mistakes.py       ways to be wrong
defects.py        the defects that the search must find
hunt.py           the search for a seeded defect
replay.py         a counter-example as a scenario file
on_wires.py       a counter-example as acts on the simulated devices
wrong.py          the kiosk's service with a defect
command.py        `kiosk model-check`
"""
