"""An inspection (再点検) of kiosks and city: many journeys at once on the production path with test
cards, under disturbances, and every sheet read back by other means than those that printed it.

`plan.py`: who asks for what; `register.py`: what must stand on it, by the file of the test people;
`truths.py`: what the city says, asked beside the kiosks; `kiosks.py`: several kiosks on one city;
`journey.py`: one resident; `run.py`: all of them; `paper_judge.py`, `sheet_code.py` and
`same_words.py`: the judge of paper; `state.py`: what is kept for a resumption; `report.py`: the
signed report; `wrong.py` and `prove.py`: machines and a city that are wrong on purpose, each of
which must be found; `command.py`: the command.
"""
