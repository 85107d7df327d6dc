"""Checks a study before anything starts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hypertune.space.sampled import Sampled
from hypertune.space.space import Categorical, Config, Parameter, Space
from hypertune.strategies import registry
from hypertune.strategies.checks import check_names, check_strategies, strategy_of
from hypertune.study.study import Resources, Study
from hypertune.tracking import tracker
from hypertune.tuning.population import METHODS, is_population

TrainableLike = type | Callable[..., Any]
"""A Ray Tune trainable: a class or a function."""


def check(study: Study, trainable: TrainableLike) -> None:
    """Runs all checks that do not need Ray.

    Raises:
        ValueError: one line naming the key and the remedy.
    """
    check_names(study)
    check_trainable(trainable, study.training.trainable)
    tracker.check(study)
    _check_data(study, trainable)
    _check_hyperparameters(study, trainable)
    check_strategies(study)
    _check_checkpoints(study, trainable)
    _check_resources(study, trainable)


def check_trainable(trainable: TrainableLike, name: str) -> None:
    """Refuses what Ray Tune would refuse only once a trial starts.

    Raises:
        ValueError: one line naming the key and the remedy.
    """
    if inspect.isclass(trainable):
        if is_population(trainable):
            return
        from ray.tune import Trainable  # whose import takes a second, and has been paid for by the class

        if not issubclass(trainable, Trainable):
            raise ValueError(
                f"training.trainable: the class {trainable.__name__} must be derived from ray.tune.Trainable, or have "
                f"all methods of hypertune.Population: {', '.join(METHODS)}"
            )
        return
    try:
        inspect.signature(trainable).bind({})
    except TypeError:
        raise ValueError(
            f"training.trainable: {name} has to take one argument, the configuration: def train(config)"
        ) from None
    except ValueError:
        return  # a callable that Python knows no signature of


def _check_hyperparameters(study: Study, trainable: TrainableLike) -> None:
    """Passes the ends of the search space, and every option in it, to the trainable's `check_config` if it has one."""
    check_config = getattr(trainable, "check_config", None)
    if check_config is None:
        return
    for config in corners(study.space.alive()):
        try:
            check_config({**study.training.config, **config})
        except ValueError as error:
            raise ValueError(f"space or training.config: {error}") from None


def corners(space: Space) -> Iterator[Config]:
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
    """Rejects a strategy that pauses trials if a class cannot save itself; for a function only a run can tell."""
    if not inspect.isclass(trainable):
        return
    from ray.tune import Trainable as BaseTrainable  # takes a second to import, but a class has imported it already

    if not issubclass(trainable, BaseTrainable) or trainable.save_checkpoint is not BaseTrainable.save_checkpoint:
        return
    for name in study.strategies:
        if registry.schedulers()[strategy_of(study, name).scheduler].needs_checkpoints:
            raise ValueError(
                f"study.strategies: {name} pauses trials, but {trainable.__name__} cannot be saved; give it "
                "save_checkpoint and load_checkpoint, or leave the strategy out"
            )


def _check_resources(study: Study, trainable: TrainableLike) -> None:
    """Refuses `[resources]` that the trainable cannot use, or beside different ones that it asks for itself."""
    together = is_population(trainable) or hasattr(trainable, "member")
    if study.resources.trials_per_gpu not in ("auto", 0) and not together:
        raise ValueError(
            "resources.trials_per_gpu: only built-in models and populations (hypertune.Population) train several "
            "trials together; give each a part of a GPU, e.g. gpus_per_trial = 0.25"
        )
    if is_population(trainable) and study.resources.gpus_per_trial:
        raise ValueError(
            f"resources.gpus_per_trial: {trainable.__name__} trains many trials on each GPU; set trials_per_gpu instead"
        )
    if not asks_itself(trainable):
        return
    if study.resources.node_labels:
        raise ValueError(
            "resources.node_labels: the trainable asks for its own resources (tune.with_resources or "
            "default_resource_request); give it the labels as bundle_label_selector of its PlacementGroupFactory"
        )
    own, default = getattr(trainable, "_resources", None), Resources()
    totals = getattr(own, "required_resources", {})
    asked = (study.resources.cpus_per_trial, study.resources.gpus_per_trial)
    if asked not in (
        (default.cpus_per_trial, default.gpus_per_trial),
        (totals.get("CPU", 0), totals.get("GPU", 0)),
    ):
        raise ValueError(f"resources: {BOTH_ASK}")


def asks_itself(trainable: Any) -> bool:
    """Whether the trainable says what a trial needs: by `tune.with_resources`, or as a class."""
    if not inspect.isclass(trainable):
        return getattr(trainable, "_resources", None) is not None
    from ray.tune import Trainable

    own = getattr(trainable, "default_resource_request", Trainable.default_resource_request)
    return getattr(own, "__func__", own) is not Trainable.default_resource_request.__func__  # type: ignore[attr-defined]


BOTH_ASK = "the trainable asks for its own (tune.with_resources or default_resource_request); leave one of the two out"


def _check_data(study: Study, trainable: TrainableLike) -> None:
    needs_data = getattr(trainable, "needs_data", False)
    if study.training.steps_per_epoch is not None and not needs_data:
        raise ValueError(
            f"training.steps_per_epoch: only for the built-in models; {study.training.trainable} defines its own "
            "epochs; leave it out"
        )
    if study.training.time_attr is not None and needs_data:
        raise ValueError("training.time_attr: is for a trainable of your own; the built-in models report their epochs")
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
