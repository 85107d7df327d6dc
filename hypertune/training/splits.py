"""Cuts the splits that a data set does not have, stratified by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

TEST_FRACTION = 0.2
"""Default share of the images for the test split of a data set without one."""

Indices = NDArray[np.int64]

_USES = (("validate", "valid"), ("test", "test"))


def stratified_split(labels: Indices, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Indices of the images kept and of those held out, both ascending.

    Of every class, the share `fraction` is held out, rounded, but at least one image and never all.
    """
    # RandomState is the only generator of numpy whose numbers are guaranteed not to change between releases.
    random = np.random.RandomState(seed)
    held_out = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: min(max(round(len(members) * fraction), 1), len(members) - 1)])
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[np.concatenate(held_out)] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def check_options(validation_fraction: float, test_fraction: float | None, seed: int) -> None:
    """Raises a ValueError if a share is not between 0 and 1, or the seed not one that numpy takes."""
    for name, fraction in (("validation_fraction", validation_fraction), ("test_fraction", test_fraction)):
        if fraction is not None and not 0 < fraction < 1:  # NaN fails this, too
            raise ValueError(f"{name} must be above 0 and below 1, not {fraction}")
    if not isinstance(seed, Integral) or not 0 <= seed < 2**32:
        raise ValueError(f"split_seed must be a whole number from 0 to 2**32 - 1, not {seed!r}")


def complete(
    given: Mapping[str, Indices],
    labels: Indices,
    classes: Sequence[str],
    where: str,
    *,
    validation_fraction: float,
    test_fraction: float | None,
    seed: int,
) -> dict[str, Indices]:
    """The splits `train`, `valid` and `test`; those not given are cut from the training images.

    Raises:
        ValueError: if a split is empty, or a class has too few images for all splits.
    """
    if "test" in given and test_fraction is not None:
        raise ValueError(f"{where}: test_fraction: the data set has a test split; leave test_fraction out")
    splits = dict(given)
    for name, fraction in (("test", test_fraction or TEST_FRACTION), ("valid", validation_fraction)):
        if name not in splits:
            _check_enough(labels, splits, classes, where)
            pool = splits["train"]
            kept, held_out = stratified_split(labels[pool], fraction, seed)
            splits |= {"train": pool[kept], name: pool[held_out]}
    _check_enough(labels, splits, classes, where)
    for name, members in splits.items():
        if not len(members):
            raise ValueError(f"{where}: the {name} split has no images; leave it out to have it cut from the others")
    return splits


def _check_enough(labels: Indices, splits: Mapping[str, Indices], classes: Sequence[str], where: str) -> None:
    if len(classes) < 2:
        raise ValueError(f"{where}: has a single class; at least two are needed")
    needed = ["to train on", *(f"to {use} with" for use, split in _USES if split not in splits)]
    counts = np.bincount(labels[splits["train"]], minlength=len(classes))
    fewest = int(counts.min())
    if fewest < len(needed):
        raise ValueError(
            f"{where}: class {classes[int(counts.argmin())]!r} has {fewest} image{'s' * (fewest != 1)} to train on; "
            f"each class needs at least {len(needed)}, one {', one '.join(needed)}"
        )
