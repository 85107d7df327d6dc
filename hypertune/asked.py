"""The study that the arguments of `hypertune.compare` describe."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import msgspec

from hypertune.arguments import READERS, check_options, close_to, read_space, shortened
from hypertune.study.extension import ADDED, ending, extended, numbered
from hypertune.study.file import Budget, Resources, Training
from hypertune.study.study import Study
from hypertune.values_given import integer

DEFAULT_STRATEGIES = ("random", "bayes", "hyperband", "hyperopt", "asha", "optuna")
DEFAULT_SEEDS = 3
DEFAULT_MAX_EPOCHS = 10
FULL_TRAININGS = 20
"""The default budget of a sweep, in full trainings."""

EXAMPLE = (
    'compare(trainable=train, space={"lr": tune.loguniform(1e-4, 1e-1)}, metric="accuracy", mode="max", max_epochs=10)'
)
ELSEWHERE = {
    "num_samples": 'budget={"trials": 20}',
    "time_budget_s": 'budget={"seconds": 600}',
    "search_alg": 'strategies=["hyperopt"]; `hypertune strategies` lists them',
    "scheduler": 'strategies=["random+asha"]; `hypertune strategies` lists them',
    "param_space": "space=...",
    "config": "space=...",
    "resources_per_trial": 'resources={"cpus_per_trial": 1, "gpus_per_trial": 0}',
    "storage_path": 'out="folder or URL"',
    "local_dir": 'out="folder"',
    "direction": 'mode="min" or mode="max"',
    "n_trials": 'budget={"trials": 20}',
    "stop": "max_epochs=...",
    "fidelity": 'time_attr="epoch", the reported number that says how far a training is',
    "seed": "seeds=[0]",
    "epochs": "max_epochs=... for one training, budget=... for a sweep",
    "trials": 'budget={"trials": 20}',
    "quiet": "progress=False",
    "verbose": "progress=True or False",
}
"""Names of arguments in other libraries, and what to write here instead."""

P = ParamSpec("P")
T = TypeVar("T")


def names_checked(function: Callable[P, T]) -> Callable[P, T]:
    """Adds to Python's error for an unknown argument what that argument is called here."""
    known = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        if len(args) > 1:
            raise TypeError(f"compare: only the study is a positional argument; write e.g. {EXAMPLE}")
        for name in kwargs:
            if name not in known:
                remedy = ELSEWHERE.get(name)
                told = f"write {remedy}" if remedy else f"{close_to(name, known)}known: {', '.join(known)}"
                raise TypeError(f"compare: unknown argument {name}; {told}")
        return function(*args, **kwargs)

    return checked


@contextmanager
def in_python() -> Iterator[None]:
    """Makes errors name the Python argument instead of the command-line option."""
    with _reworded(_options):
        yield


@contextmanager
def as_arguments() -> Iterator[None]:
    """Makes errors name the Python argument instead of the study file's key, for a study built from arguments."""
    with _reworded(_keys):
        yield


@contextmanager
def _reworded(words: Callable[[str], str]) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        # The same error object, so that its traceback is kept if it turns out to be a bug.
        if words(str(error)) != str(error):
            error.args = (words(str(error)),)
        raise


def _options(message: str) -> str:
    options = (
        "out|data-dir|address|dashboard-host|strategies|seeds|budget|metric|mode|max-epochs|give-up-after|margin|"
        "max-seeds|max-seconds|warm-start"
    )
    message = message.replace("--until-decided", "until_decided=True")
    message = re.sub(r"(?<!hypertune compare )--resume(?: [^\s;,]+)?", "resume=True", message)
    return re.sub(rf"(?<!hypertune compare )--({options})\b", lambda found: found[1].replace("-", "_"), message)


def _keys(message: str) -> str:
    message = re.sub(r"^strategies\.([^:.]+)\.(\w+):", r'options["\1"]["\2"]:', message)
    message = re.sub(r"^strategies\.([^:]+):", r'options["\1"]:', message)
    return re.sub(r"^(study|training)\.", "", message)


def study_of(
    study: Study | str | os.PathLike[str] | None,
    trainable: Any,
    space: Any,
    given: Mapping[str, Any],
) -> Study:
    """The study to run: the given one with overrides, or a new one around the trainable.

    Args:
        given: arguments of `compare` by their names, None where one was left out.

    Raises:
        ValueError: one line that names the argument and the remedy.
    """
    values = {key: READERS[key](value) for key, value in given.items() if value is not None}
    if {"cpus_per_trial", "gpus_per_trial"} & set(values.get("resources", ())):
        from hypertune.tuning.checks import BOTH_ASK, asks_itself

        if asks_itself(trainable):
            raise ValueError(f"resources: {BOTH_ASK}")
    if study is None:
        asked = _own(trainable, space, numbered(_with_ending(values, already=False)))
    else:
        asked = _existing(study)
        values = numbered(_with_ending(values, already=asked.until_decided))
        if space is not None:
            values["space"] = read_space(space)
        asked = _replaced(asked, values) if values else asked
    if "strategies" in values:
        from hypertune.strategies.checks import check_names

        with as_arguments():
            check_names(asked)
    return asked


def _with_ending(values: Mapping[str, Any], *, already: bool) -> dict[str, Any]:
    """The checked arguments as fields of a study, with those about its end combined."""
    others = {name: value for name, value in values.items() if name != "max_seeds"}
    return {**others, **ending(values, already=already)}


def added_to(stored: Study, given: Mapping[str, Any]) -> Study:
    """A study that has begun, with what the arguments add to it: seeds, strategies as `+pb2`, when it ends.

    Raises:
        ValueError: if they would change what it is.
    """
    names = given.get("strategies")
    names = names.split(",") if isinstance(names, str) else names
    if names is not None:
        given = {**given, "strategies": [str(name).strip().removeprefix(ADDED) for name in names]}
    values = {key: READERS[key](value) for key, value in given.items() if value is not None}
    if (count := integer(given.get("seeds"))) is not None:
        values["seeds"] = count  # the study's own seeds and further ones, whatever they are called
    values = _with_ending(values, already=stored.until_decided)
    if names is not None:
        values["strategies"] = [str(name).strip() for name in names]
    return extended(stored, values)


def _existing(study: Any) -> Study:
    if isinstance(study, Study):
        return study
    if isinstance(study, str | os.PathLike):
        return Study.load(Path(study) if isinstance(study, os.PathLike) else study)
    if callable(study):
        name = getattr(study, "__name__", "train")
        raise ValueError(
            f"study: {name} is a trainable; give it by its name, {EXAMPLE.replace('=train,', f'={name},', 1)}"
        )
    raise ValueError(f'study: a Study, a study file or a shipped name, e.g. "digits_cnn", got {shortened(study)}')


def _replaced(study: Study, values: dict[str, Any]) -> Study:
    training = {name: values.pop(name) for name in ("max_epochs", "time_attr") if name in values}
    if "resources" in values:
        values["resources"] = _with(study.resources, values["resources"])
    if "options" in values:
        strategies = values.get("strategies", study.strategies)
        check_options(values["options"], strategies)
        kept = {name: study.options[name] for name in study.options if name in strategies}
        values["options"] = {**kept, **values["options"]}
    if training:
        values["training"] = msgspec.structs.replace(study.training, **training)
    return study.replace(**values)


def _own(trainable: Any, space: Any, values: dict[str, Any]) -> Study:
    if trainable is None and space is None and not values:
        raise ValueError(f'compare: nothing to compare; give a study, compare("digits_cnn"), or your own: {EXAMPLE}')
    needed = {"trainable": trainable, "space": space, "metric": values.get("metric"), "mode": values.get("mode")}
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(f"compare: {_listing(missing)} {verb} missing, and no study is given; e.g. {EXAMPLE}")
    if not isinstance(trainable, str):
        _check_trainable(trainable)
    max_epochs = values.pop("max_epochs", DEFAULT_MAX_EPOCHS)
    defaults = {
        "name": _name_of(trainable),
        "strategies": DEFAULT_STRATEGIES,
        "seeds": tuple(range(DEFAULT_SEEDS)),
        "budget": Budget(epochs=FULL_TRAININGS * max_epochs),
        "options": {},
    }
    training = Training(trainable=_path_of(trainable), max_epochs=max_epochs, time_attr=values.pop("time_attr", None))
    asked = values.pop("resources", None) or _resources_of(trainable)
    fields = {**defaults, **values}
    check_options(fields["options"], fields["strategies"])
    return Study(
        **fields,
        training=training,
        space=read_space(space),
        resources=_with(Resources(), asked),
    )


def _check_trainable(trainable: Any) -> None:
    """Rejects a trainable that Ray Tune would reject only when a trial starts."""
    if not callable(trainable):
        raise ValueError(f"trainable: a function or class as tune.Tuner takes it, got {shortened(trainable)}")
    from hypertune.tuning.checks import check_trainable

    with as_arguments():
        check_trainable(trainable, _name_of(trainable))


def _with(resources: Resources, changes: Mapping[str, Any]) -> Resources:
    return msgspec.structs.replace(resources, **changes)


def _listing(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name_of(trainable: Any) -> str:
    """A study name made from the trainable's name, with only the characters that a name may have."""
    name = trainable.rpartition(":")[2] if isinstance(trainable, str) else getattr(trainable, "__name__", "")
    return re.sub(r"[^A-Za-z0-9._-]", "", str(name)).lstrip("._-") or "study"


def _path_of(trainable: Any) -> str:
    if isinstance(trainable, str):
        return trainable
    return f"{getattr(trainable, '__module__', '__main__')}:{getattr(trainable, '__qualname__', 'trainable')}"


def _resources_of(trainable: Any) -> dict[str, float]:
    """What `tune.with_resources` asks for, all bundles together, where it is the same for all trials."""
    asked = getattr(trainable, "_resources", None)
    asked = getattr(asked, "required_resources", asked)
    if not isinstance(asked, Mapping):
        return {}
    cpus, gpus = asked.get("CPU", 0), asked.get("GPU", 0)
    return {"cpus_per_trial": cpus, "gpus_per_trial": gpus} if cpus or gpus else {}
