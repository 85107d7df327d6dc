"""Cuts the splits that a data set does not have, stratified by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The shares of the images to hold out, and the seed of the cut.

    Attributes:
        validation_fraction: share of the training images, if there is no validation split.
        test_fraction: share of all images, if there is no test split; None for `TEST_FRACTION`.
        split_seed: seed of both.

    Raises:
        ValueError: if a share is not between 0 and 1, or numpy does not take the seed.
    """

    validation_fraction: float
    test_fraction: float | None
    split_seed: int

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            fraction = getattr(self, name)
            if fraction is not None and not 0 < fraction < 1:  # NaN fails this, too
                raise ValueError(f"{name} must be above 0 and below 1, not {fraction}")
        if not isinstance(self.split_seed, Integral) or not 0 <= self.split_seed < 2**32:
            raise ValueError(f"split_seed must be a whole number from 0 to 2**32 - 1, not {self.split_seed!r}")


def complete(
    given: Mapping[str, Indices], labels: Indices, classes: Sequence[str], where: str, held_out: HeldOut
) -> dict[str, Indices]:
    """The splits `train`, `valid` and `test`; those not given are cut from the training images.

    Raises:
        ValueError: if a split is empty, or a class has too few images for all splits.
    """
    if "test" in given and held_out.test_fraction is not None:
        raise ValueError(f"{where}: test_fraction: the data set has a test split; leave test_fraction out")
    splits = dict(given)
    for name, fraction in (("test", held_out.test_fraction or TEST_FRACTION), ("valid", held_out.validation_fraction)):
        if name not in splits:
            _check_enough(labels, splits, classes, where)
            pool = splits["train"]
            kept, cut = stratified_split(labels[pool], fraction, held_out.split_seed)
            splits |= {"train": pool[kept], name: pool[cut]}
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
