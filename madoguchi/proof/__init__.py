"""The journey explored exhaustively: the flow and the permits that run in production, and a small world around them.

world.py       what is there, what can happen, what commands do to it
kiosk.py       flow and permits, one step at a time
properties.py  what must hold, each in plain words
search.py      breadth first, shortest counter-examples
defects.py     mistakes the search must find
replay.py      a counter-example as a scenario file
command.py     `kiosk model-check`
"""
