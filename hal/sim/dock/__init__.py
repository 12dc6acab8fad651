"""The dock: a page around a bench, where a person plays resident and operator with a mouse."""

from hal.sim.dock.app import CardLabel, Dock

__all__ = ["CardLabel", "Dock"]
