"""The technician's screens: a process of its own, between two residents' processes.

It is forked from the supervisor like theirs, so nothing of a resident was ever in its memory. It
reads no card, opens no coin slot, and asks the city for nothing but whether it is there.
"""
