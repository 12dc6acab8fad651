"""The city's tables. `city/migrations` makes them, and makes the audit log append-only; a test
compares the two.

Uniqueness is the database's: challenges, sessions, orders, unique numbers and outcomes are primary
or unique keys, and one session has at most one reserved order. No table is keyed by a clock. Times
are seconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# So that a later revision can name what it changes, the same on both databases.
NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
metadata = MetaData(naming_convention=NAMES)

households = Table("households", metadata, Column("id", String(64), primary_key=True))

residents = Table(
    "residents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("household", ForeignKey("households.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kana", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("former_surname", Text, nullable=False, server_default=""),
    Column("sex", String(8), nullable=False),
    Column("birth", Date, nullable=False),
    Column("standing", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("relationship", Text, nullable=False),
    Column("resident_since", Date, nullable=False),
    Column("address", Text, nullable=False),
    Column("settled_on", Date, nullable=False),
    Column("notified_on", Date, nullable=False),
    Column("previous_address", Text, nullable=False),
    Column("domicile", Text, nullable=False),
    Column("domicile_head", Text, nullable=False),
    Column("nationality", Text, nullable=False),
    Column("residence_status", Text, nullable=False),
    Column("residence_period", Text, nullable=False),
    Column("residence_until", Date),
    Column("residence_card", Text, nullable=False),
    Column("mynumber", String(12), nullable=False),
    Column("removed_on", Date),
    Column("moved_to", Text, nullable=False, server_default=""),
)

seals = Table(
    "seals",
    metadata,
    Column("resident", ForeignKey("residents.id"), primary_key=True),
    Column("registered_on", Date, nullable=False),
    Column("deregistered_on", Date),
    Column("imprint", LargeBinary, nullable=False),
)

taxes = Table(
    "taxes",
    metadata,
    Column("resident", ForeignKey("residents.id"), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("standing", String(16), nullable=False),
    Column("address", Text, nullable=False),
    Column("amounts", JSON, nullable=False),
)

payments = Table(
    "payments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("resident", ForeignKey("residents.id"), nullable=False, index=True),
    Column("year", Integer, nullable=False),
    Column("tax", Text, nullable=False),
    Column("employer", Boolean, nullable=False),
    Column("billed", Integer, nullable=False),  # yen, as the two that follow
    Column("paid", Integer, nullable=False),
    Column("not_due", Integer, nullable=False),
    Column("paid_on", Date),
    Column("vehicle", Text, nullable=False),
    Column("chassis", Text, nullable=False),
    Column("inspected", Boolean, nullable=False),
    Column("valid_until", Date),
)

cards = Table(
    "cards",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("resident", ForeignKey("residents.id"), nullable=False),
    Column("issued_on", Date, nullable=False),
    Column("continued_on", Date),
    Column("revoked", Boolean, nullable=False),
)

# 戸籍, and the 附票 of each of its people.
family_registers = Table(
    "family_registers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("domicile", Text, nullable=False),
    Column("head", Text, nullable=False),
    Column("matters", JSON, nullable=False),
    Column("filed_on", Date),
    Column("stopped", Boolean, nullable=False),
)

family_members = Table(
    "family_members",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("register", ForeignKey("family_registers.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    # In one register at most is somebody still; from the others they were removed. No foreign key:
    # the two registers are kept apart, and a resident who is gone is nobody's card.
    Column("resident", String(64), index=True),
    Column("name", Text, nullable=False),
    Column("given", Text, nullable=False),
    Column("sex", String(8), nullable=False),
    Column("birth", Date, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    Column("addresses", JSON, nullable=False),
)

# 利用登録: cards of people who are in a family register here and live elsewhere.
use_registrations = Table(
    "use_registrations",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("member", ForeignKey("family_members.id"), nullable=False),
    Column("address", Text, nullable=False),
    Column("filed_on", Date, nullable=False),
    Column("ended", Boolean, nullable=False),
)

# Which certificates kiosks showed or were given. A kiosk that lost one through revocation is
# trusted by listing only.
kiosk_certificates = Table(
    "kiosk_certificates",
    metadata,
    Column("fingerprint", String(64), primary_key=True),  # SHA-256 of the DER
    Column("kiosk", String(64), nullable=False, index=True),
    Column("key", String(64), nullable=False),  # SHA-256 of its SubjectPublicKeyInfo
    Column("not_after", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("certificate", LargeBinary, nullable=False),  # DER
    UniqueConstraint("kiosk", "key"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("challenge", String(64), primary_key=True),
    Column("kiosk", String(64), nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("used", Boolean, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", String(32), primary_key=True),
    Column("kiosk", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column(
        "card", String(64)
    ),  # fingerprint; NULL when the session was cancelled before it arrived
    Column("document_key", LargeBinary),
    Column("commitment_seed", LargeBinary),  # the salts of what the city committed to come from it
    Column("record_version", BigInteger),  # of the file as the session was told it
    Index("sessions_by_end", "state", "ends"),
    CheckConstraint("state IN ('open', 'ended')", name="state"),
)

orders = Table(
    "orders",
    metadata,
    Column("order", String(32), primary_key=True),
    Column("session", ForeignKey("sessions.session"), nullable=False, index=True),
    Column("kiosk", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # reserved -> issued | void, once; never back
    Column("kind", String(64), nullable=False),
    Column("request_sha256", String(64), nullable=False),
    Column("document_sha256", String(64), nullable=False),
    Column("unique_number", String(32), nullable=False, unique=True),
    Column("record_version", BigInteger, nullable=False),
    Column("fee", Integer, nullable=False),
    Column("sheets", Integer, nullable=False),  # of all copies
    # what a repeated request is answered with; NULL once issued or void. `sealed` opens at one
    # kiosk only
    Column("manifest", LargeBinary),
    Column("signature", LargeBinary),
    Column("sealed", LargeBinary),
    Column(
        "voided", BigInteger
    ),  # seconds; an issued order whose sheets are declared void, by a person
    CheckConstraint("state IN ('reserved', 'issued', 'void')", name="state"),
)
reserved = orders.c.state == "reserved"
Index(
    "one_reserved_order",
    orders.c.session,
    unique=True,
    sqlite_where=reserved,
    postgresql_where=reserved,
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("outcome", String(32), primary_key=True),
    Column("order", ForeignKey("orders.order"), nullable=False, unique=True),
    Column("kiosk", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),  # the message: ids, counts and amounts
)

# The newest entry of each kiosk's journal, as it was told with an outcome.
journals = Table(
    "journals",
    metadata,
    Column("kiosk", String(64), primary_key=True),
    Column("journal", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

# How each kiosk was when it said hello last.
fleet = Table(
    "fleet",
    metadata,
    Column("kiosk", String(64), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("build", String(400), nullable=False),
    Column("availability", String(64), nullable=False),
    Column("problem", String(64), nullable=False),
    Column("paper", JSON, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("exact_only", Boolean, nullable=False),
    Column("update", JSON),  # `UpdateReport`; NULL of a kiosk that never told one
    Column("case_codes", JSON),  # of `CaseCount`; NULL of a kiosk that never told one
)

# The newest rollout for each model of board.
rollouts = Table(
    "rollouts",
    metadata,
    Column("board", String(64), primary_key=True),
    Column("version", String(59), nullable=False),
    Column("build", String(400), nullable=False),
    Column("hours", Integer, nullable=False),
    Column("rings", JSON, nullable=False),  # lists of kiosks
    Column("ring", Integer, nullable=False),  # which one has its turn
    Column("since", BigInteger, nullable=False),  # it has
    Column("state", String(16), nullable=False),
    Column("why", String(200), nullable=False),  # it was stopped; a code, a kiosk, a reason
    CheckConstraint("state IN ('running', 'stopped', 'done')", name="state"),
)

# Builds of the kiosk that somebody has named.
builds = Table(
    "builds",
    metadata,
    Column("build", String(400), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("named", BigInteger, nullable=False),
    CheckConstraint("state IN ('accepted', 'refused')", name="state"),
)

# An entry is added by the transaction that does what it says. Its place in the chain and the hash
# there are filled in afterwards, once (`city.audit.seal`).
audit = Table(
    "audit",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer, "sqlite"),
        Identity(),
        primary_key=True,
    ),
    Column("entry", Text, nullable=False),  # JSON, canonical: time, event, ids, codes
    Column("written", BigInteger, nullable=False, server_default="0"),
    Column("position", BigInteger, unique=True),  # from 1
    Column("hash", String(64)),  # SHA-256 over the previous hash and the entry
)
Index(
    "unsealed_entries",
    audit.c.seq,
    sqlite_where=audit.c.position.is_(None),
    postgresql_where=audit.c.position.is_(None),
)

# Signatures over the chain's head, batch by batch.
audit_seals = Table(
    "audit_seals",
    metadata,
    Column("entries", BigInteger, primary_key=True, autoincrement=False),  # up to this position
    Column("hash", String(64), nullable=False),  # there
    Column("at", BigInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),  # which one signed: `signing.reference`
    Column("signature", LargeBinary, nullable=False),
)

# Pieces of the log that lie in signed files. What is not named here cannot be deleted from `audit`.
archives = Table(
    "archives",
    metadata,
    Column("last", BigInteger, primary_key=True, autoincrement=False),  # seq of its newest entry
    Column("hash", String(64), nullable=False),  # of that entry: the chain goes on from it
    Column("first", BigInteger, nullable=False),
    Column("newest", BigInteger, nullable=False),  # when that entry was written
    Column("sha256", String(64), nullable=False),  # of the file
)

# Journeys that a person has said must be kept, whatever their period: a dispute, a lawsuit.
holds = Table(
    "holds",
    metadata,
    Column("session", ForeignKey("sessions.session"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("note", Text, nullable=False),  # why; no names
)

# What each period's newest whole run did.
retention = Table(
    "retention",
    metadata,
    Column("period", String(32), primary_key=True),
    Column("ran", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),  # removed since the table was made
)

# A calendar month's figures as they were published: never counted again.
published = Table(
    "published",
    metadata,
    Column("month", String(7), primary_key=True),
    Column("figures", Text, nullable=False),  # JSON; small numbers are hidden in it
)

# Anomalies until a person has reconciled them. Ids, codes and times; "" where a column does not
# apply.
cases = Table(
    "cases",
    metadata,
    Column("case", String(32), primary_key=True),
    Column("code", String(32), nullable=False),
    Column("kiosk", String(64), nullable=False),
    Column("kind", String(64), nullable=False),  # of certificate
    Column("session", String(32), nullable=False),
    Column("order", String(32), nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("note", Text, nullable=False),  # what was found and done; no names
    Column("result", String(16), nullable=False, server_default=""),  # of `city.cases.RESULTS`
)
still_open = cases.c.closed.is_(None)
Index(
    "one_open_case",
    *(cases.c[name] for name in ("code", "kiosk", "kind", "session", "order", "outcome")),
    unique=True,
    sqlite_where=still_open,
    postgresql_where=still_open,
)
