"""Checks a study before anything starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from hypertune.space.space import Categorical, Config, Space
from hypertune.strategies import registry
from hypertune.strategies.checks import check_names, check_strategies
from hypertune.study.study import Study
from hypertune.tracking import tracker

TrainableLike = type | Callable[..., Any]
"""A Ray Tune trainable: a class or a function."""


def check(study: Study, trainable: TrainableLike) -> None:
    """Runs all checks that do not need Ray.

    Raises:
        ValueError: one line naming the key and the remedy.
    """
    check_names(study)
    tracker.check(study)
    _check_data(study, trainable)
    _check_hyperparameters(study, trainable)
    check_strategies(study)
    _check_checkpoints(study, trainable)


def _check_hyperparameters(study: Study, trainable: TrainableLike) -> None:
    """Passes the ends of the search space, and every option in it, to the trainable's `check_config` if it has one."""
    check_config = getattr(trainable, "check_config", None)
    if check_config is None:
        return
    for config in _corners(study.space):
        try:
            check_config({**study.training.config, **config})
        except ValueError as error:
            raise ValueError(f"space or training.config: {error}") from None


def _corners(space: Space) -> Iterator[Config]:
    """Configurations that together cover every option of every choice and both ends of every domain."""
    options = [len(p.domain.options) for p in space.parameters() if isinstance(p.domain, Categorical)]
    for turn in range(max([2, *options])):
        yield space.resolve(
            lambda p, turn=turn: (  # type: ignore[misc]
                turn % len(p.domain.options) if isinstance(p.domain, Categorical) else p.domain.from_unit(turn % 2)
            )
        )


def _check_checkpoints(study: Study, trainable: TrainableLike) -> None:
    """Rejects a strategy that pauses trials if a class cannot save itself; for a function only a run can tell."""
    if not inspect.isclass(trainable):
        return
    from ray.tune import Trainable as BaseTrainable  # takes a second to import, but a class has imported it already

    if not issubclass(trainable, BaseTrainable) or trainable.save_checkpoint is not BaseTrainable.save_checkpoint:
        return
    for name in study.strategies:
        if registry.schedulers()[registry.parse_strategy(name).scheduler].needs_checkpoints:
            raise ValueError(
                f"study.strategies: {name} pauses trials, but {trainable.__name__} cannot be saved; give it "
                "save_checkpoint and load_checkpoint, or leave the strategy out"
            )


def _check_data(study: Study, trainable: TrainableLike) -> None:
    needs_data = getattr(trainable, "needs_data", False)
    if study.training.steps_per_epoch is not None and not needs_data:
        raise ValueError(
            f"training.steps_per_epoch: only for the built-in models; {study.training.trainable} defines its own "
            "epochs; leave it out"
        )
    for key in ("image_size", "channels", "test_fraction"):
        if getattr(study.training, key) is not None and not needs_data:
            raise ValueError(
                f"training.{key}: only for the built-in models; {study.training.trainable} loads its own data; leave it"
                " out"
            )
    if needs_data and study.training.dataset is None:
        raise ValueError(f'training.dataset: {study.training.trainable} needs one, e.g. dataset = "digits"')
    if not needs_data and study.training.dataset is not None:
        raise ValueError(
            f"training.dataset: {study.training.trainable} loads its own data; remove dataset = "
            f'"{study.training.dataset}"'
        )
