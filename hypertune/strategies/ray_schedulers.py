"""Ray Tune's own schedulers, unchanged: what ours do better or worse than these can be measured instead of claimed.

Their decisions are Ray's. Only what Ray draws from numpy's global generator is seeded. Ray's population based training
is not among them: it changes the configuration of a running trial, which no strategy here does.
"""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.schedulers import HyperBandScheduler as RayHyperBand

from hypertune.space.seeded import seeded
from hypertune.space.space import Space
from hypertune.strategies.plugin import scheduler


class RayAsha(AsyncHyperBandScheduler):
    """Ray's ASHA; a trial's bracket is drawn from the sweep's own stream."""

    def __init__(self, *, seed: int, **options: Any) -> None:
        super().__init__(time_attr="epoch", **options)
        self._seed, self._added = seed, 0

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        with seeded(1_000_003 * self._seed + self._added):
            super().on_trial_add(tune_controller, trial)
        self._added += 1


@scheduler(summary="Ray Tune's ASHAScheduler, unchanged")
def ray_asha(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, grace_period: int = 1,
    reduction_factor: float = 4, brackets: int = 1,
) -> TrialScheduler:  # fmt: skip
    """`ray.tune.schedulers.AsyncHyperBandScheduler` with Ray's defaults.

    Args:
        grace_period, reduction_factor, brackets: as in Ray.

    Raises:
        ValueError: for a grace period beyond `max_epochs`, or a reduction factor of 1 or less.
    """
    if not 1 <= grace_period <= max_epochs:
        raise ValueError(f"grace_period must be from 1 to max_epochs = {max_epochs}, got {grace_period}")
    if not reduction_factor > 1 or brackets < 1:
        raise ValueError("reduction_factor must be greater than 1 and brackets at least 1")
    return RayAsha(
        seed=seed, metric=metric, mode=mode, max_t=max_epochs, grace_period=grace_period,
        reduction_factor=reduction_factor, brackets=brackets,
    )  # fmt: skip


@scheduler(summary="Ray Tune's HyperBandScheduler, unchanged", needs_checkpoints=True, asynchronous=False)
def ray_hyperband(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, reduction_factor: float = 3
) -> TrialScheduler:
    """`ray.tune.schedulers.HyperBandScheduler` with Ray's defaults.

    Args:
        reduction_factor: as in Ray.

    Raises:
        ValueError: for a reduction factor of 1 or less, or where Ray makes no brackets of `max_epochs`.
    """
    if not reduction_factor > 1:
        raise ValueError(f"reduction_factor must be greater than 1, got {reduction_factor:g}")
    try:
        return RayHyperBand("epoch", metric, mode, max_epochs, reduction_factor=reduction_factor)
    except AssertionError as error:
        raise ValueError(f"Ray Tune makes no brackets of max_epochs = {max_epochs}: {error}") from None
