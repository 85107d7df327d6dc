"""A page stays one that can be opened, however many trials there were."""

from __future__ import annotations

import numpy as np
import pytest

from hypertune.report.marks import even_choice


@pytest.mark.parametrize("count", [0, 1, 5, 10, 11, 1000])
def test_an_even_choice_has_both_ends_and_no_more_than_asked(count: int) -> None:
    chosen = np.flatnonzero(even_choice(count, 10))
    assert len(chosen) == min(count, 10)
    if count > 1:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        assert np.ptp(np.diff(chosen)) <= 1
