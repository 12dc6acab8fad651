"""The kiosk's books, double-entry: a pure function of the journal's chain."""
