"""The page on which anybody checks a sheet with a phone: a program of its own, without the private
issuing key.

The page proves the signature by itself; this program hands out the page and the public keys, and
says of one unique number at a time whether it is in force. docs/verification.md tells how.
"""
