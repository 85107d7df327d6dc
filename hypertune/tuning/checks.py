"""What can be found wrong with a study before anything is started."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from hypertune.space import Categorical, Config, Space
from hypertune.strategies import registry
from hypertune.study import Study
from hypertune.tracking import tracker
from hypertune.tuning.trainables import Trainable


def check(study: Study, trainable: Trainable) -> None:
    """Checks all that can be checked without starting Ray.

    Raises:
        ValueError: one line naming the key and the remedy.
    """
    check_names(study)
    tracker.check(study)
    _check_data(study, trainable)
    _check_hyperparameters(study, trainable)
    check_strategies(study)
    _check_checkpoints(study, trainable)


def check_strategies(study: Study) -> None:
    """Checks that every strategy can be built and can search the space.

    Raises:
        ValueError: one line naming the strategy and what is wrong with it.
    """
    for name in study.strategies:
        _check_strategy(study, name)


def _check_hyperparameters(study: Study, trainable: Trainable) -> None:
    """Lets a trainable that can (`check_config`) judge the ends of the search space and every option in it."""
    check_config = getattr(trainable, "check_config", None)
    if check_config is None:
        return
    for config in _corners(study.space):
        try:
            check_config({**study.training.config, **config})
        except ValueError as error:
            raise ValueError(f"space or training.config: {error}") from None


def _corners(space: Space) -> Iterator[Config]:
    """Configurations that between them have every option of every choice, and every domain at both ends."""
    options = [len(p.domain.options) for p in space.parameters() if isinstance(p.domain, Categorical)]
    for turn in range(max([2, *options])):
        yield space.resolve(
            lambda p, turn=turn: (  # type: ignore[misc]
                turn % len(p.domain.options) if isinstance(p.domain, Categorical) else p.domain.from_unit(turn % 2)
            )
        )


def _check_checkpoints(study: Study, trainable: Trainable) -> None:
    """Refuses a strategy that pauses trials where a class cannot save itself; of a function only its run can tell."""
    if not inspect.isclass(trainable):
        return
    from ray.tune import Trainable as BaseTrainable  # whose import takes a second, and has been paid for by the class

    if not issubclass(trainable, BaseTrainable) or trainable.save_checkpoint is not BaseTrainable.save_checkpoint:
        return
    for name in study.strategies:
        if registry.schedulers()[registry.parse_strategy(name).scheduler].needs_checkpoints:
            raise ValueError(
                f"study.strategies: {name} pauses trials, and {trainable.__name__} cannot be saved; give it "
                "save_checkpoint and load_checkpoint, or leave the strategy out"
            )


def check_names(study: Study) -> None:
    """Checks that the strategies exist, at once: no searcher is imported for it.

    Raises:
        ValueError: naming the unknown one and those there are.
    """
    for name in study.strategies:
        try:
            registry.parse_strategy(name)
        except ValueError as error:
            raise ValueError(f"study.strategies: {error}") from None


def _check_strategy(study: Study, name: str) -> None:
    strategy = registry.parse_strategy(name)
    reason = registry.refusal(strategy, study.space)
    if reason:
        raise ValueError(f"study.strategies: {reason}")
    build(study, name, study.seeds[0])


def build(study: Study, strategy: str, seed: int) -> tuple[Any, Any]:
    """Searcher and scheduler of one sweep.

    Raises:
        ValueError: for an unknown strategy or option.
    """
    return registry.build(
        registry.parse_strategy(strategy),
        study.space,
        metric=study.metric,
        mode=study.mode,
        seed=seed,
        max_epochs=study.training.max_epochs,
        options=study.options.get(strategy, {}),
    )


def _check_data(study: Study, trainable: Trainable) -> None:
    needs_data = getattr(trainable, "needs_data", False)
    if study.training.steps_per_epoch is not None and not needs_data:
        raise ValueError(
            f"training.steps_per_epoch: is for the built-in models; {study.training.trainable} decides itself what an "
            "epoch is, and reports one"
        )
    for key in ("image_size", "channels", "test_fraction"):
        if getattr(study.training, key) is not None and not needs_data:
            raise ValueError(
                f"training.{key}: is for the built-in models; {study.training.trainable} loads its own data, so that "
                "it has no use; leave it out"
            )
    if needs_data and study.training.dataset is None:
        raise ValueError(f'training.dataset: {study.training.trainable} needs one, e.g. dataset = "digits"')
    if not needs_data and study.training.dataset is not None:
        raise ValueError(
            f"training.dataset: {study.training.trainable} loads its own data; remove dataset = "
            f'"{study.training.dataset}"'
        )
