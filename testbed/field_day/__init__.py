"""A day in the field: residents one after the other on one running system, while a few of a hundred
exchanges with every device go wrong for a moment.

`visitors.py`: who comes; `troubles.py`: what goes wrong, and when; `visit.py`: one resident, and
the way back to the first screen; `day.py`: all of them, with the books of the random walks;
`judge.py`: what must hold of each; `command.py`: the report.
"""
