"""Spot fleets of moto, made to choose among all overrides, keep an on-demand share and follow modifications."""
