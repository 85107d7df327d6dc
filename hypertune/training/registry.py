"""Finds the trainable that a study names, and loads its data set."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypertune.study.file import Training
    from hypertune.training.datasets import ImageData

Trainable = type | Callable[..., Any]
"""A Ray Tune trainable: a class or a function."""


def resolve(name: str) -> Trainable:
    """The trainable that a study file names: a plugin's name, or `package.module:attribute`.

    Raises:
        ValueError: if the name is unknown, or not a Ray Tune trainable.
    """
    plugins = {entry.name: entry for entry in entry_points(group="hypertune.trainables")}
    if name in plugins:
        return plugins[name].load()  # type: ignore[no-any-return]
    if ":" not in name:
        close = difflib.get_close_matches(name, plugins, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(plugins))}"
        raise ValueError(
            f"training.trainable: unknown trainable {name!r}; {hint}, or give package.module:attribute; in "
            "Python also the function or class itself, whatever name Ray Tune has registered it by"
        )
    return _import(name)


def _import(name: str) -> Trainable:
    module, _, attribute = name.partition(":")
    # An installed command, unlike `python -m`, does not search the current folder.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise ValueError(f"training.trainable: {module!r} cannot be imported ({error})") from None
    except AttributeError:
        raise ValueError(f"training.trainable: {module!r} has no attribute {attribute!r}") from None
    if not callable(found):
        raise ValueError(f"training.trainable: {name} is neither a function nor a class")
    return found  # type: ignore[no-any-return]


def load_data(
    training: Training, data_dir: Path | None, told: Callable[[int, int], None] | None = None
) -> ImageData | None:
    """The data set of `[training]`, None if the trainable has its own; for `told` see `load_dataset`."""
    if training.dataset is None:
        return None
    from hypertune.training.datasets import load_dataset

    return load_dataset(
        training.dataset,
        data_dir=data_dir,
        path=training.path,
        classes=training.classes,
        image_size=training.image_size,
        channels=training.channels,
        validation_fraction=training.validation_fraction,
        test_fraction=training.test_fraction,
        split_seed=training.split_seed,
        told=told,
    )
