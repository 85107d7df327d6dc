"""Upper bounds on a study (sweeps, trials, epochs, seconds), and the size of its search space."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypertune.space.domains import Numeric
from hypertune.space.space import Categorical, Parameter, Space
from hypertune.study.study import Study


@dataclass(frozen=True, slots=True)
class Extent:
    """Upper bounds over all sweeps of a study; None where the budget sets none.

    Attributes:
        retrainings: retrainings of incumbents after the sweeps, if the trainable is retrained.
        retraining_epochs: epochs of all retrainings.
    """

    sweeps: int
    trials: int | None
    epochs: int | None
    seconds: float | None
    retrainings: int
    retraining_epochs: int


def extent(study: Study) -> Extent:
    """The upper bounds over all sweeps of the study."""
    sweeps, longest, budget = len(study.strategies) * len(study.seeds), study.training.max_epochs, study.budget
    # Only the built-in models are retrained; they have a data set.
    retrainings = study.retrain * sweeps if study.training.dataset is not None else 0
    trials = budget.trials or budget.epochs  # a trial trains for at least one epoch
    epochs = budget.epochs or (budget.trials * longest if budget.trials else None)
    return Extent(
        sweeps=sweeps,
        trials=sweeps * trials if trials else None,
        epochs=sweeps * epochs if epochs else None,
        seconds=sweeps * budget.seconds if budget.seconds else None,
        retrainings=retrainings,
        retraining_epochs=retrainings * longest,
    )


def most_at_once(study: Study) -> int | None:
    """The most trials that run at the same time, whatever the cluster has room for; None for a budget in seconds.

    By default as many as the budget trains to the end: more would share the budget's epochs until none of them is
    trained to the end.
    """
    budget, most = study.budget, study.resources.max_workers
    if most is not None:
        return most
    return max(budget.epochs // study.training.max_epochs, 1) if budget.epochs else budget.trials


def few_at_once(study: Study, places: int) -> str:
    """Why the study uses fewer than so many places for trials; empty if nobody would ask."""
    most = most_at_once(study)
    if most is None or most >= places or study.resources.max_workers is not None:
        return ""
    return f"what the budget of {study.budget} trains to the end; --max-workers for more of the {places} possible"


def configurations(space: Space) -> int | None:
    """How many configurations the space has; None for infinitely many."""
    count = 1
    for entry in space.entries.values():
        options = _options(entry)
        if options is None:
            return None
        count *= options
    return count


def _options(entry: object) -> int | None:
    if isinstance(entry, Space):
        return configurations(entry)
    if isinstance(entry, Numeric):
        return _levels(entry)
    if not isinstance(entry, Categorical):
        return 1  # a constant
    counts = [configurations(option) if isinstance(option, Space) else 1 for option in entry.options]
    return None if None in counts else sum(count or 0 for count in counts)


def _levels(domain: Numeric) -> int | None:
    if domain.step is None or domain.normal or not math.isfinite(domain.high - domain.low):
        return None
    return math.floor((domain.high - domain.low) / domain.step + 1e-9) + 1


def continuous(space: Space) -> list[str]:
    """Names of the hyperparameters with infinitely many values."""
    return [parameter.key for parameter in space.parameters() if _infinite(parameter)]


def _infinite(parameter: Parameter) -> bool:
    return isinstance(parameter.domain, Numeric) and _levels(parameter.domain) is None
