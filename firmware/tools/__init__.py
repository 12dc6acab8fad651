"""The `kiosk` command, and the programs that a technician has on a board."""
