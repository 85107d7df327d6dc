"""A table that compares each pair of strategies."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from hypertune.comparison.evidence import boundary_of_difference
from hypertune.comparison.judgement import Judgement
from hypertune.comparison.sequence import seeds_between

COLUMNS = ("strategy", "other", "seeds", "better_by", "low", "high", "outcome", "seeds_needed")
SIGNIFICANT, CLOSE, OPEN = "significant", "within the margin", "not significant"


def pairs_of(judgement: Judgement) -> pd.DataFrame:
    """One row per pair of strategies.

    `better_by` is how much better the mean of `strategy` is on the `seeds` that both have run, negative where
    it is worse; where no seeds are common, on all, and `seeds` is the smaller of the two numbers. `low, high` is its
    interval, NaN with too few seeds for any; the intervals of all pairs, at all looks at the data, together cover the
    true differences in 95 % of studies. `outcome` is `significant` where it excludes 0, `within the margin` where it
    lies within the margin on both sides, else `not significant`; `seeds_needed` is roughly how many seeds in all would
    settle it if the observed difference persists.
    """
    facts = judgement.evidence
    needed = facts.needed(boundary_of_difference(len(facts.strategies)))
    rows = []
    for i, j in zip(*np.triu_indices(len(facts.strategies), 1), strict=True):
        half = float(needed[i, j] * facts.error[i, j])
        gain = float(facts.gain[i, j])
        low, high = (gain - half, gain + half) if math.isfinite(half) else (math.nan, math.nan)
        rows.append(
            {
                "strategy": facts.strategies[i], "other": facts.strategies[j], "seeds": int(facts.seeds[i, j]),
                "better_by": gain, "low": low, "high": high, "outcome": _outcome(low, high, judgement.margin),
                "seeds_needed": seeds_between(judgement, int(i), int(j)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _outcome(low: float, high: float, margin: float | None) -> str:
    if low > 0 or high < 0:
        return SIGNIFICANT
    return CLOSE if margin and -margin < low and high < margin else OPEN
