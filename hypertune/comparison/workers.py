"""Whether the sweeps had the same number of workers, without which their wall-clock times do not compare."""

from __future__ import annotations

from hypertune.comparison.numbers import listing
from hypertune.comparison.outcomes import finished
from hypertune.records.records import Records

SAME = 0.05
"""Relative difference in the mean number of workers below which wall-clock times compare."""


def workers_sentence(records: Records) -> str:
    """What is said of wall-clock times where the sweeps had different numbers of workers; empty where they had not."""
    ledger = finished(records)
    workers = ledger["workers"].astype(float)
    if workers.empty or workers.max() <= workers.min() * (1 + SAME):
        return ""
    means = workers.groupby(ledger["strategy"], sort=False).mean()
    told = listing([f"{strategy} {mean:.3g}" for strategy, mean in means.items()])
    return (
        f"Wall-clock times do not compare: over their time sweeps had from {workers.min():.3g} to {workers.max():.3g} "
        f"workers on average (by strategy: {told})."
    )
