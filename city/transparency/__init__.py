"""What a city publishes about its kiosks, with no person in it (docs/retention.md)."""
