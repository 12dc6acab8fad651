"""Faults are put into a configured system one by one, and `kiosk diagnose` must name each."""
