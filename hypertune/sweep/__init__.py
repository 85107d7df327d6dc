"""One strategy run once with one seed, as a state machine without Ray and without a clock."""

from hypertune.sweep.sweep import Sweep

__all__ = ["Sweep"]
