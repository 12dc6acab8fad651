"""When a transition holds: pure predicates of session and event, where the session already knows the event's news."""

from __future__ import annotations

from collections.abc import Callable

from firmware.flow import events as e
from firmware.flow.events import expect
from firmware.flow.offers import asked, defaults, valid
from firmware.flow.screens import question
from firmware.flow.session import Session

Guard = Callable[[Session, e.Event], bool]


def card_absent(session: Session, _: e.Event) -> bool:
    return session.presence == "absent"


def fit(session: Session, _: e.Event) -> bool:
    """May serve the next person: told healthy, told open, told that no card is there."""
    return (
        session.problem == ""
        and not session.distrusted
        and session.line
        and session.presence == "absent"
        and session.terms is not None
        and not session.terms.refusal
        and not session.stopping
    )


def shut(session: Session, _: e.Event) -> bool:
    """Fit, but the city is closed now."""
    return session.problem == "" and session.line and session.terms is not None and session.terms.refusal != ""


def locked(_: Session, event: e.Event) -> bool:
    return expect(event, e.CardRead).tries == 0


def last_try(session: Session, event: e.Event) -> bool:
    return isinstance(event, (e.CardRead, e.PinWrong)) and event.tries == 1


def pin_complete(session: Session, _: e.Event) -> bool:
    return session.digits == 4


def removed(_: Session, event: e.Event) -> bool:
    return expect(event, e.CardFailed).cause == "removed"


def offered(session: Session, event: e.Event) -> bool:
    value = expect(event, e.Touch).value
    return any(o.kind == value and not o.refusal for o in session.offers)


def offered_with_options(session: Session, event: e.Event) -> bool:
    value = expect(event, e.Touch).value
    return offered(session, event) and any(asked(o, defaults(o)) for o in session.offers if o.kind == value)


def no_questions(session: Session, _: e.Event) -> bool:
    return session.offer is None or not asked(session.offer, session.answers)


def releases_this(session: Session, event: e.Event) -> bool:
    return session.document is not None and expect(event, e.Released).document == session.document.sha256


def not_offered(session: Session, event: e.Event) -> bool:
    value = expect(event, e.Touch).value
    return any(o.kind == value and o.refusal for o in session.offers)


def answered(session: Session, _: e.Event) -> bool:
    option = question(session)
    return option is not None and valid(option, dict(session.answers).get(option.id, ()))


def answered_last(session: Session, event: e.Event) -> bool:
    options = asked(session.offer, session.answers) if session.offer else ()
    return session.step == len(options) - 1 and answered(session, event)


def first_question(session: Session, _: e.Event) -> bool:
    return session.step == 0


def free(session: Session, _: e.Event) -> bool:
    return session.fee == 0


def distrusted(session: Session, _: e.Event) -> bool:
    return session.distrusted


def distrusted_and_owed(session: Session, _: e.Event) -> bool:
    return session.distrusted and session.owed > 0


def paid(session: Session, _: e.Event) -> bool:
    return session.document is not None and session.held >= session.fee


def money_held(session: Session, _: e.Event) -> bool:
    return session.held > 0


def at_stake(session: Session, _: e.Event) -> bool:
    """Money to give back, or an order whose outcome the city waits for."""
    return session.held > 0 or session.released


def last_sheet_out(session: Session, _: e.Event) -> bool:
    return session.complete


def change_due(session: Session, event: e.Event) -> bool:
    return session.complete and session.held > session.fee


def money_owed(session: Session, _: e.Event) -> bool:
    return session.owed > 0


def resumes(state: str) -> Guard:
    """HOLD goes back to this state."""

    def guard(session: Session, _: e.Event) -> bool:
        return session.resume == state and session.presence == "absent"

    return guard


def resumes_in(*states: str) -> Guard:
    def guard(session: Session, _: e.Event) -> bool:
        return session.resume in states

    return guard


def no_sensor(session: Session, _: e.Event) -> bool:
    return not session.outlet_sensor
