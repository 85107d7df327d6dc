"""One epoch for all, then the best to the end (Egele et al., 2023, "Is One Epoch All You Need for Multi-Fidelity
Hyperparameter Optimization?", arXiv 2307.15422, section 3).

The simplest use of learning curves, and therefore the baseline that other multi-fidelity strategies have to beat.
"""

from __future__ import annotations

from ray.tune.schedulers import TrialScheduler

from hypertune.space.space import Space
from hypertune.strategies.hyperband import HyperBandScheduler
from hypertune.strategies.plugin import scheduler


@scheduler(
    summary="one epoch for all trials of a round, then the best k to the end",
    needs_checkpoints=True,
    asynchronous=False,
)
def one_epoch(
    space: Space, *, metric: str, mode: str, seed: int, max_epochs: int, trials: int | None = None, keep: int = 1
) -> TrialScheduler:
    """Rounds of `trials` trials: each trains one epoch, the best `keep` go on to `max_epochs`.

    Args:
        trials: size of a round; `max_epochs` unless given, so that a round with one survivor costs two full trainings.
            The paper has a single round: set it to the budget in epochs less `keep` full trainings.
        keep: how many of a round train to the end.

    Raises:
        ValueError: unless 1 <= keep <= trials.
    """
    size = max(max_epochs, keep) if trials is None else trials
    if not 1 <= keep <= size:
        raise ValueError(f"keep must be from 1 to trials = {size}, got {keep}")
    rungs = [(size, 1), (keep, max_epochs)] if max_epochs > 1 else [(size, 1)]
    return HyperBandScheduler(metric=metric, mode=mode, brackets=[rungs], eta=max(size // keep, 2))
