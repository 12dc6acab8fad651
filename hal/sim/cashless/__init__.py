"""The far end of a payment terminal's wire."""
