"""What can be found wrong with a study before anything is started."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hypertune.space.sampled import Sampled
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.strategies import registry
from hypertune.strategies.checks import check_names, check_strategies
from hypertune.study.study import Study
from hypertune.tracking import tracker

TrainableLike = type | Callable[..., Any]
"""A Ray Tune trainable: a class or a function."""


def check(study: Study, trainable: TrainableLike) -> None:
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


def _check_hyperparameters(study: Study, trainable: TrainableLike) -> None:
    """Lets a trainable that can (`check_config`) judge the ends of the search space and every option in it."""
    check_config = getattr(trainable, "check_config", None)
    if check_config is None:
        return
    for config in _corners(study.space.alive()):
        try:
            check_config({**study.training.config, **config})
        except ValueError as error:
            raise ValueError(f"space or training.config: {error}") from None


def _corners(space: Space) -> Iterator[Config]:
    """Configurations that between them have every option of every choice, and every domain at both ends."""
    options = [len(p.domain.options) for p in space.parameters() if isinstance(p.domain, Categorical)]

    def pick(parameter: Parameter, turn: int) -> Any:
        domain = parameter.domain
        if isinstance(domain, Sampled):
            return domain.draw(np.random.default_rng(turn))
        return turn % len(domain.options) if isinstance(domain, Categorical) else domain.from_unit(turn % 2)

    for turn in range(max([2, *options])):
        yield space.resolve(partial(pick, turn=turn))


def _check_checkpoints(study: Study, trainable: TrainableLike) -> None:
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


def _check_data(study: Study, trainable: TrainableLike) -> None:
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
