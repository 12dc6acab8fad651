"""Load: many kiosks at once on the line, and a judge who afterwards compares what they hold with
the city's books.

customers.py  residents in number, and a card for each
visit.py      one resident at one kiosk, from hello to outcome; the ways it can go
desk.py       the kiosk's end of a visit
crowd.py      processes full of kiosks
target.py     what is asked: gateways of our own on a database of our own, or those that run already
gateway.py    a gateway that reports at its end where its time went
postgres.py   a private PostgreSQL server
judge.py      what the kiosks hold against what the city knows: pure
figures.py    throughput, percentiles, shares
command.py    the command line
"""
