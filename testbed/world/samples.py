"""A city's terms and offers, and a person: as few as the rules of the journey can tell apart."""

from __future__ import annotations

from firmware.flow.offers import Choice, Holder, Notice, Offer, Option, Terms

TITLE = (("ja", "証明書"),)
OPEN = Terms(city_name=(("ja", "市"),), notices=(Notice("asked", TITLE, 100),))
SHUT = Terms(city_name=(("ja", "市"),), refusal="closed")
# Nothing is chosen beforehand, and there is one choice: "next" without an answer, and with it.
HOUSEHOLD = (Choice("a", "甲"),)
HOLDER = Holder("a", "昭和33年4月1日", "市内", HOUSEHOLD)
QUESTION = Option("members", "many", HOUSEHOLD, minimum=1)
OFFERS = (
    Offer("asked", TITLE, 100, options=(QUESTION,)),
    Offer("barred", TITLE, 100, refusal="no-tax-return"),
)
PLAIN = (Offer("plain", TITLE, 100),)
