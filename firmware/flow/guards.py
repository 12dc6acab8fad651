"""When a transition holds: pure predicates of session and event, where the session already knows
the event's news.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware.flow import events
from firmware.flow.events import expect
from firmware.flow.offers import asked, defaults, valid
from firmware.flow.screens import question
from firmware.flow.session import Presence, Session

Guard = Callable[[Session, events.Event], bool]


def card_absent(session: Session, _: events.Event) -> bool:
    return session.presence is Presence.ABSENT


def fit(session: Session, _: events.Event) -> bool:
    """May serve the next person: told healthy, told open, told that no card is there."""
    return (
        session.problem == ""
        and not session.distrusted
        and session.line
        and session.presence is Presence.ABSENT
        and session.terms is not None
        and not session.terms.refusal
        and not session.stopping
    )


def fit_with_coins_of_nobody(session: Session, event: events.Event) -> bool:
    """Coins fell in while nobody was served: they are not to be mixed with the next person's."""
    return fit(session, event) and session.owed > 0


def shut(session: Session, _: events.Event) -> bool:
    """Fit, but the city is closed now."""
    return (
        session.problem == ""
        and session.line
        and session.terms is not None
        and session.terms.refusal != ""
    )


def for_the_technician(session: Session, _: events.Event) -> bool:
    """The key is turned, the devices were looked at, no card lies there, and no coin of anybody's
    is in the machine.
    """
    return (
        session.service_key
        and not session.stopping
        and session.problem is not None
        and session.presence is not Presence.PRESENT
        and session.owed == 0
    )


def for_the_technician_beside_coins(session: Session, _: events.Event) -> bool:
    """Coins fell in while nobody was served: their process ends first, with its books closed."""
    return session.service_key and not session.stopping and session.owed > 0


def phone_not_accepted(session: Session, event: events.Event) -> bool:
    return expect(event, events.CardRead).token.is_phone and not session.phones


def locked(_: Session, event: events.Event) -> bool:
    return expect(event, events.CardRead).tries == 0


def last_try(session: Session, event: events.Event) -> bool:
    return isinstance(event, (events.CardRead, events.PinWrong)) and event.tries == 1


def pin_complete(session: Session, _: events.Event) -> bool:
    return session.digits == 4


def removed(_: Session, event: events.Event) -> bool:
    return expect(event, events.CardFailed).cause == "removed"


def mute(_: Session, event: events.Event) -> bool:
    """It never answered: it may lie badly."""
    return expect(event, events.CardFailed).cause == "mute"


def offered(session: Session, event: events.Event) -> bool:
    value = expect(event, events.Touch).value
    return any(o.kind == value and not o.refusal for o in session.offers)


def offered_with_options(session: Session, event: events.Event) -> bool:
    value = expect(event, events.Touch).value
    return offered(session, event) and any(
        asked(o, defaults(o)) for o in session.offers if o.kind == value
    )


def no_questions(session: Session, _: events.Event) -> bool:
    return session.offer is None or not asked(session.offer, session.answers)


def releases_this(session: Session, event: events.Event) -> bool:
    return (
        session.document is not None
        and expect(event, events.Released).document == session.document.sha256
    )


def not_offered(session: Session, event: events.Event) -> bool:
    value = expect(event, events.Touch).value
    return any(o.kind == value and o.refusal for o in session.offers)


def answered(session: Session, _: events.Event) -> bool:
    option = question(session)
    return option is not None and valid(option, dict(session.answers).get(option.id, ()))


def answered_last(session: Session, event: events.Event) -> bool:
    options = asked(session.offer, session.answers) if session.offer else ()
    return session.step == len(options) - 1 and answered(session, event)


def first_question(session: Session, _: events.Event) -> bool:
    return session.step == 0


def free(session: Session, _: events.Event) -> bool:
    return session.fee == 0


def distrusted(session: Session, _: events.Event) -> bool:
    return session.distrusted


def distrusted_and_owed(session: Session, _: events.Event) -> bool:
    return session.distrusted and session.owed > 0


def paid(session: Session, _: events.Event) -> bool:
    return session.document is not None and session.credit >= session.fee


def money_held(session: Session, _: events.Event) -> bool:
    return session.held > 0


def at_stake(session: Session, _: events.Event) -> bool:
    """Money to give back, or an order whose outcome the city waits for."""
    return session.credit > 0 or session.released


def last_sheet_out(session: Session, _: events.Event) -> bool:
    return session.complete


def change_due(session: Session, event: events.Event) -> bool:
    return session.complete and session.credit > session.fee


def money_owed(session: Session, _: events.Event) -> bool:
    """Money of this person's is left here: owed, or held until an operator has looked."""
    return session.owed > 0 or session.undecided > 0


def resumes(state: str) -> Guard:
    """HOLD goes back to this state."""

    def guard(session: Session, _: events.Event) -> bool:
        return session.resume == state and session.presence is Presence.ABSENT

    return guard


def resumes_in(*states: str) -> Guard:
    def guard(session: Session, _: events.Event) -> bool:
        return session.resume in states

    return guard


def no_sensor(session: Session, _: events.Event) -> bool:
    return not session.outlet_sensor
