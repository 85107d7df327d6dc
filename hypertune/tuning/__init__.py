"""Runs sweeps on Ray Tune in real time: the driver, Ray's callbacks, faults, and the live display.

Ray's private names are used in `ray_internals` only.
"""
