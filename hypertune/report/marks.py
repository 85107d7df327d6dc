"""How many marks a figure of single trials has: a page of hundreds of thousands could not be opened."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_MARKS = 4000


def even_choice(count: int, most: int = MOST_MARKS) -> NDArray[np.bool_]:
    """Which of `count` items in a row to draw: all, or if too many an even selection with the first and last."""
    chosen = np.zeros(count, dtype=bool)
    chosen[np.linspace(0, count - 1, min(count, most)).round().astype(int)] = True
    return chosen
