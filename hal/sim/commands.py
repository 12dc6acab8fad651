"""The words of the far ends' commands: the module whose `main(argv)` each is, and what it does."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("sim", "card"): ("hal.sim.card.command", "lay a card on a reader"),
    ("sim", "printer"): ("hal.sim.printer", "an ESC/POS printer that draws what it gets"),
    ("sim", "coins"): ("hal.sim.coins.program", "a ccTalk coin unit on a pty"),
    ("sim", "cashless"): ("hal.sim.cashless.program", "a payment terminal on a pty"),
    ("sim", "key"): ("hal.sim.service_key.program", "the technician's key switch on a pty"),
    ("sim", "speaker"): ("hal.sim.speaker_command", "a speaker that writes down what is said"),
    ("sim", "line"): ("hal.sim.line_command", "what lies between the kiosk and the city"),
    ("sim", "reader"): ("hal.sim.reader_command", "the cable of a socket reader"),
    ("sim", "tell"): ("hal.sim.console", "give a running far end one command"),
}
