"""Checks image and label arrays from users and plugins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CHANNELS = 4


def check_images(images: NDArray[Any], where: str, key: str) -> NDArray[np.uint8]:
    """The images as uint8 [n, channels, height, width]; a view where possible.

    The last axis is the channels if it has at most 4 entries, else the second.

    Raises:
        ValueError: naming `where` and `key`, if they are empty, not uint8 or not images.
    """
    if images.dtype != np.uint8:
        raise ValueError(
            f"{where}: {key} must be uint8 with values from 0 to 255, not {images.dtype}; convert it, e.g. "
            "(255 * x).round().astype('uint8') for values between 0 and 1"
        )
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"{where}: {key} has shape {images.shape}; it must be [n, height, width], [n, height, width, channels] "
            "or [n, channels, height, width], without zeros"
        )
    if images.ndim == 3:
        return images[:, None]
    if images.shape[3] <= MOST_CHANNELS:
        return images.transpose(0, 3, 1, 2)
    if images.shape[1] <= MOST_CHANNELS:
        return images
    raise ValueError(
        f"{where}: {key} has shape {images.shape}; its last or second axis must be the channels, 1 to {MOST_CHANNELS}"
        " of them"
    )


def check_labels(
    labels: NDArray[Any], images: int, where: str, key: str, classes: int, total: int
) -> NDArray[np.int64]:
    """The labels as int64 [n].

    Args:
        labels: whole numbers, [n] or [n, 1].
        images: required number of labels.
        where: file or data set, for messages.
        key: name of the array, for messages.
        classes: number of classes, or 0 if unknown.
        total: number of images of all splits, which an unknown number of classes cannot exceed.

    Raises:
        ValueError: naming `where` and `key`, if the number of labels is wrong or a label is not a class.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        raise ValueError(
            f"{where}: {key} must be whole numbers of shape [n], not {labels.dtype} of shape {list(labels.shape)}"
        )
    if len(labels) != images:
        raise ValueError(f"{where}: {key} has {len(labels)} labels for {images} images of x{key[1:]}; make them match")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (classes and high >= classes):
        allowed = f"0 to {classes - 1}, one for each of the {classes} classes" if classes else "0 and above"
        raise ValueError(f"{where}: {key} has labels from {low} to {high}; they must be {allowed}")
    if not classes and high >= total:
        raise ValueError(
            f"{where}: {key} has the label {high}, but there are only {total} images; number the classes 0, 1, 2, ..., "
            "e.g. by numpy.unique(labels, return_inverse=True)[1], and leave out images without a label"
        )
    return labels.astype(np.int64)
