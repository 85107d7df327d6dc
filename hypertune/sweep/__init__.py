"""One strategy run once: a state machine that knows neither Ray nor a clock."""

from hypertune.sweep.sweep import Sweep

__all__ = ["Sweep"]
