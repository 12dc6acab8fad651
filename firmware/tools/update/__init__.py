"""`kiosk update`: whether a build may be installed, started and kept (docs/updates.md).

RAUC installs and systemd boots; this package only decides. `rules` and `trial` are pure.
"""
