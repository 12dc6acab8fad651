"""Long random walks over the whole system on simulated wires, judged from the outside.

A walk is a list of numbers. Each picks one of the things that a customer, an operator or a
disturbance can do at that moment, so that the same numbers are the same walk as far as wires allow.
What is asserted is read from where it really is: coins from the coin unit, paper from the printer,
orders from the city, outcomes from the kiosk's journal.

`acts.py` and `disturbances.py`: what can be done; `walk.py`: doing it; `evidence.py`: what is seen
then; `judge.py` and `books.py`: what must hold; `drive.py`: many walks, and a shorter one where
something does not hold.
"""
