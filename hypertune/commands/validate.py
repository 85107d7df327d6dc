"""`hypertune validate`: checks a study and its data without running anything."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hypertune.study.study import Study
from hypertune.training.registry import load_data, resolve
from hypertune.tuning.checks import check
from hypertune.tuning.reading import Reading, reading_line
from hypertune.tuning.terminal import Terminal

if TYPE_CHECKING:
    from hypertune.training.datasets import ImageData

MOST_CLASSES = 10
"""With at most this many classes, the images of each are counted."""


def validate(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code. Prints every faulty image file on its own line.

    Raises:
        ValueError: for faulty data or a wrong study.
    """
    from hypertune.commands.exit_codes import DONE
    from hypertune.training.files import FaultyImages

    study, data_dir = Study.load(arguments.study), arguments.data_dir
    check(study, resolve(study.training.trainable))
    try:
        lines = list(data_lines(study, data_dir))
    except FaultyImages as error:
        for name, reason in error.faults.items():
            print(f"{name}: {reason}")
        raise
    print(f"{arguments.study}: valid")
    for line in lines:
        print(line)
    return DONE


def data_lines(study: Study, data_dir: Path | None) -> Iterator[str]:
    """A summary of the study's data in a few lines, or why they were not checked."""
    name = study.training.dataset
    if name is None:
        yield f"data: not checked, since {study.training.trainable} loads its own"
        return
    from hypertune.training.datasets import source_of
    from hypertune.training.sources import may_download

    source_of(name)
    if may_download(name, data_dir):
        yield f"data: not checked, since {name} would have to be downloaded; give --data-dir if you have it"
        return
    with Terminal(stderr=True).status("reading the data") as status:
        data = load_data(study.training, data_dir, Reading(lambda event: status.update(reading_line(event))))
    assert data is not None
    yield from summary(study, data)


def summary(study: Study, data: ImageData) -> Iterator[str]:
    """A summary of the study's data in a few lines."""
    channels, height, width = data.images.shape[1:]
    colour = {1: "grey", 3: "in colour"}.get(channels, f"{channels} channels")
    counts = np.bincount(data.labels, minlength=len(data.classes))
    yield (
        f"data: {study.training.dataset}, {len(data.labels):,} images of {width}x{height} pixels, {colour}, "
        f"{len(data.classes)} classes"
    )
    for split, images in data.sizes().items():
        yield f"  {split:<5} {images:>9,} images{_origin(study, data, split)}"
    yield f"  {_balance(data.classes, [int(count) for count in counts])}"
    if study.metric == "valid_accuracy":
        yield f"  one image of the validation split is {1 / len(data.valid):.2g} of valid_accuracy"
    for note in data.notes:
        yield f"note: {note}"


def _origin(study: Study, data: ImageData, split: str) -> str:
    training = study.training
    if split not in data.cut:
        return ""
    from hypertune.training.splits import TEST_FRACTION

    key = "validation_fraction" if split == "valid" else "test_fraction"
    share = training.validation_fraction if split == "valid" else training.test_fraction or TEST_FRACTION
    return f", cut from the training images ({key} = {share:g}, split_seed = {training.split_seed})"


def _balance(classes: tuple[str, ...], counts: list[int]) -> str:
    by_count = sorted(zip(counts, classes, strict=True), key=lambda pair: -pair[0])
    if min(counts) == max(counts):
        shown = [*classes[:MOST_CLASSES], *["..."] * (len(classes) > MOST_CLASSES)]
        return f"{counts[0]:,} images of each class ({', '.join(shown)})"
    if len(classes) <= MOST_CLASSES:
        return ", ".join(f"{name}: {count:,}" for count, name in by_count)
    (most, common), (fewest, rare) = by_count[0], by_count[-1]
    return f"from {fewest:,} images of {rare} to {most:,} of {common}"
