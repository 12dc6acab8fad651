"""What docs/configuration.md says of the city's sections and keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# By the section's name.
CITY_SECTIONS: Final[Mapping[str, str]] = {
    "gateway": "The gateway itself.",
    "tls": "The gateway's end of the line. Kiosks must show a certificate.",
    "issuing": "What the gateway signs with.",
    "terms": "The signed terms of the forms ([city.md](city.md#signing-the-terms)).",
    "cards": "The authorities of the cards, and how revoked cards are found ([city.md](city.md)).",
    "records": (
        "Read by `kiosk city retention` and `kiosk city transparency` alone "
        "([retention.md](retention.md))."
    ),
    "clock": "For rehearsals only.",
    "typesetting": "How certificates are set.",
    "verification": (
        "Read by `kiosk city verification` alone; the file may hold nothing else "
        "([verification.md](verification.md))."
    ),
}

# By the class in city/config.py and its field.
CITY: Final[Mapping[str, str]] = {
    "Gateway.listen": "Where kiosks connect. Port 0 takes a free one.",
    "Gateway.database": (
        "`sqlite:///FILE`, relative to this file, or `postgresql+psycopg://…`, see "
        "[database.md](database.md)."
    ),
    "Gateway.city": "The city's data, see [city.md](city.md).",
    "Gateway.workers": (
        "Threads for database and typesetting, and the largest number of database connections."
    ),
    "Gateway.waiting": (
        "Requests that may wait. One more is refused as `busy`, and so is one that would wait "
        "longer than a kiosk does."
    ),
    "Gateway.connections": "Connections at once. One more is closed.",
    "Gateway.per_kiosk": "Connections of one kiosk at once. One more is closed.",
    "Tls.certificate": "The gateway's certificate (PEM).",
    "Tls.key": "Its private key (PEM).",
    "Tls.kiosk_ca": "The authorities whose certificates kiosks must show (PEM).",
    "Tls.kiosk_ca_key": (
        "The private key of the first certificate in `kiosk_ca` (PEM). With it this gateway renews "
        "kiosk certificates."
    ),
    "Tls.renewed_days": "How many days a renewed certificate is valid.",
    "Records.archive": "The folder of the signed files with the log's older entries.",
    "Records.key": (
        "The private Ed25519 key (PEM) that signs those files and the public figures; not the "
        "issuing key."
    ),
    "Records.database": (
        "The URL under a role that may delete. Without it, the gateway's own is used."
    ),
    "Issuing.key": "The private Ed25519 key (PEM) that signs manifests and sheet codes.",
    "Terms.file": "The signed terms, which `kiosk city sign-terms` writes.",
    "Terms.key": "The **public** terms key (Ed25519, PEM). The private one is on no gateway.",
    "Cards.ca": "Every generation of the cards' CA that is still in use (PEM or DER).",
    "Cards.responders": (
        "One table for each `ca` but the test authority's. A real authority without one is refused "
        "at the start."
    ),
    "Cards.phone_policies": (
        "The certificate policies (OIDs) of phones. Without any, every phone is refused "
        "([card.md](card.md#phones))."
    ),
    "Cards.allow_test": "Whether cards of the test authority are taken; never in production.",
    "CardResponder.ca": "The authority that it answers for (PEM or DER): one of `ca`.",
    "CardResponder.url": "The OCSP responder. The answers are signed, the wire is not.",
    "CardResponder.deadline_s": "Seconds for an answer.",
    "CardResponder.nonce": "Whether an answer must repeat the nonce of the question.",
    "CardResponder.max_age_s": "Seconds for which an answer counts that names no next update.",
    "ClockSection.start": "A rehearsal's clock begins here and runs on.",
    "Typesetting.font": "The one font. Without it Debian's IPAmj Mincho is used.",
    "Verification.listen": "Where the page is served.",
    "Verification.keys": "One table for every issuing key whose sheets are still about.",
    "PublishedKey.key": "The public key (Ed25519, PEM).",
    "PublishedKey.since": "The first day of issue that it may have signed.",
    "PublishedKey.until": "The last day of issue that it signed. None while it signs.",
    "PublishedKey.revoked": (
        "The day on which it was revoked. From then on nothing that it signed proves anything, "
        "whatever the day of issue."
    ),
    "Verification.database": (
        "Opened read-only; for PostgreSQL a role of its own. Without it the gateway's is used."
    ),
    "Verification.city": (
        "The city's data: its name, and the titles of its certificates. Without it the gateway's "
        "are used."
    ),
    "Verification.certificate": (
        "An ordinary server certificate (PEM) for TLS. Without it plain HTTP is spoken, for a "
        "reverse proxy."
    ),
    "Verification.key": "The private key of `certificate` (PEM).",
    "Verification.proxy": (
        "The address of a reverse proxy. Of what comes from it, the last address of "
        "X-Forwarded-For is who asks."
    ),
    "Verification.connections": "Connections at once. One more is closed.",
    "Verification.per_address": (
        "Connections of one address at once. It does not count behind a proxy."
    ),
}
