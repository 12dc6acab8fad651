"""The world around the journey: what the devices and the city answer to each command of the flow.

state.py       what is there
effects.py     what becomes of it, by what happens and by what is asked
answers.py     the table: each command, who answers it, how, and what that changes
happenings.py  what happens by itself or by a customer's hand
journey.py     one process of the kiosk in this world

The model check takes every answer, a scenario that for which it asks, and a test of the flow that
which it names.
"""
