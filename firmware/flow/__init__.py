"""The journey, as data and pure functions: no I/O, no clock, no threads.

events.py   what can happen          commands.py  what can be asked of the world
offers.py   what the city offers     session.py   what is known about this journey
table.py    every state and every transition: the one place
actions.py  what a transition does   screens.py   what a state shows
machine.py  handle(event) -> commands
permits.py  which device command this moment allows, whatever the machine believes
"""
