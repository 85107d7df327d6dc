"""Checks a study's strategies before anything starts, and builds them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from hypertune.strategies import registry
from hypertune.study.study import Study
from hypertune.sweep.strategy import BuiltStrategy


@runtime_checkable
class Checked(Protocol):
    """A searcher that can say before a study starts whether it will work."""

    def check(self) -> None:
        """Raises ValueError, one line, if it will not."""


def check_strategies(study: Study) -> None:
    """Checks that every strategy can be built and can search the space.

    Raises:
        ValueError: one line naming the strategy and what is wrong with it.
    """
    for name in study.strategies:
        _check_strategy(study, name)


def check_names(study: Study) -> None:
    """Checks that the strategies exist, quickly: no searcher is imported.

    Raises:
        ValueError: naming the unknown strategy and the known ones.
    """
    for name in study.strategies:
        try:
            strategy_of(study, name)
        except ValueError as error:
            raise ValueError(f"study.strategies: {error}") from None


def strategy_of(study: Study, name: str) -> registry.Strategy:
    """The searcher and scheduler of one of the study's strategies; raises a ValueError like `parse_strategy`."""
    return registry.parse_strategy(name, study.options.get(name))


def prior_note(study: Study) -> str | None:
    """Which strategies use the study's prior, in a sentence; None if it has none."""
    if not study.prior:
        return None
    plugins = registry.searchers()
    using = [name for name in study.strategies if plugins[strategy_of(study, name).searcher].uses_prior]
    ignoring = [name for name in study.strategies if name not in using]
    words = f"Prior, guesses for {', '.join(study.prior)}: used by {', '.join(using) or 'no strategy'}"
    return f"{words}, ignored by {', '.join(ignoring)}." if ignoring else f"{words}."


def warm_start_note(study: Study) -> str | None:
    """Which strategies know the trials of an earlier study, and what these have cost; None without a warm start."""
    known = study.warm_start
    if known is None:
        return None
    plugins = registry.searchers()
    using = [
        name
        for name in study.strategies
        if plugins[strategy_of(study, name).searcher].knows_earlier(study.options.get(name, {}))
    ]
    others = [name for name in study.strategies if name not in using]
    words = (
        f"Warm start: {', '.join(using) or 'no strategy'} knew the {len(known.trials):,} trials of {known.study} "
        f"({known.place}) from the start. They have cost {known.epochs:,} epochs, in addition to the budget"
    )
    return f"{words}; {', '.join(others)} cannot use them and began without." if others else f"{words}."


def notes(study: Study) -> dict[str, str | None]:
    """What the provenance says of what strategies know besides their own trials."""
    return {"prior": prior_note(study), "warm_start": warm_start_note(study)}


def _check_strategy(study: Study, name: str) -> None:
    strategy = strategy_of(study, name)
    reason = registry.refusal(strategy, study.space)
    if reason:
        raise ValueError(f"study.strategies: {reason}")
    built = build(study, name, study.seeds[0])
    if isinstance(built.searcher, Checked):
        try:
            built.searcher.check()
        except ValueError as error:
            raise ValueError(f"strategies.{name}: {error}") from None


def build(study: Study, strategy: str, seed: int) -> BuiltStrategy:
    """Builds the strategy for one sweep.

    Raises:
        ValueError: for an unknown strategy or option.
    """
    task = registry.Task(
        space=study.space, metric=study.metric, mode=study.mode, seed=seed, max_epochs=study.training.max_epochs,
        prior=study.prior, earlier=study.warm_start.trials if study.warm_start is not None else (),
    )  # fmt: skip
    searcher, scheduler = registry.build(strategy_of(study, strategy), task, study.options.get(strategy, {}))
    return BuiltStrategy(strategy, seed, searcher, scheduler)
