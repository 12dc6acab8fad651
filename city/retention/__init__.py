"""What the city keeps, for how long, and its deletion (docs/retention.md)."""
