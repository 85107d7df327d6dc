"""Reads a data set's image files into one array, several at a time; reports all faulty files at once."""

from __future__ import annotations

import logging
import os
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hypertune.training.pixels import DAMAGE, Form, Head, read_head, read_pixels

Told = Callable[[int, int], None]
"""Called with the number of images read so far and the total; an exception that it raises ends the reading."""
Made = TypeVar("Made")

# Without a handler, Pillow's log of damaged files would go to the terminal in addition to our message.
logging.getLogger("PIL").addHandler(logging.NullHandler())

MOST_SHOWN = 10
"""Maximal number of faulty files named in one line."""
SENSIBLE_SIDE = 64
"""Pixels of the longest side that a message suggests."""


class FaultyImages(ValueError):
    """Files of a data set that cannot be read as images.

    Attributes:
        faults: path within the data set to the reason, for all faulty files.
    """

    def __init__(self, where: str, faults: Mapping[str, str], images: int) -> None:
        self.faults = dict(faults)
        shown = [f"{name} ({reason})" for name, reason in list(faults.items())[:MOST_SHOWN]]
        more = len(faults) - len(shown)
        rest = f" and {more:,} more (hypertune validate lists all)" if more else ""
        super().__init__(
            f"{where}: {len(faults):,} of {images:,} images cannot be read: {', '.join(shown)}{rest}; "
            "remove or replace them"
        )


def read(files: Sequence[Path], root: Path, form: Form, where: str, told: Told | None = None) -> NDArray[np.uint8]:
    """All images, uint8 [n, channels, height, width].

    Args:
        files: image files of any format; all of one size and colour unless `form` sets these.
        root: folder to which paths in messages are relative.
        where: the data set, for messages.
        told: called after every image.

    Raises:
        FaultyImages: naming every file that cannot be read.
        ValueError: if sizes or colours differ, or memory is too small; names the key of the remedy.
    """
    names = [_printable(file.relative_to(root).as_posix()) for file in files]
    with _workers() as pool:
        if form.size is None or form.channels is None:
            form = _agreed(dict(zip(names, pool.map(partial(_try, read_head), files), strict=True)), form, where)
        assert form.size is not None
        assert form.channels is not None
        images = _room((len(files), form.channels, *form.size), where)
        faults = {}
        for number, pixels in enumerate(pool.map(partial(_try, partial(_of_form, form=form)), files)):
            if isinstance(pixels, str):
                faults[names[number]] = pixels
            else:
                images[number] = pixels
            if told is not None:
                told(number + 1, len(files))
    if faults:
        raise FaultyImages(where, faults, len(files))
    return images


@contextmanager
def _workers() -> Iterator[ThreadPoolExecutor]:
    """Threads, since Pillow decodes outside Python's lock; on early exit, pending files are dropped."""
    pool = ThreadPoolExecutor()
    try:
        with warnings.catch_warnings():
            # Pillow warns of photos with 90 to 180 million pixels, which we read, and of bad metadata, which we ignore.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _try(make: Callable[[Path], Made], file: Path) -> Made | str:
    """What `make` returns for the file, or the reason why it failed."""
    try:
        return make(file)
    except DAMAGE as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if isinstance(error, Image.DecompressionBombError):
            return f"over {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels; make it smaller"
        if reason.startswith("cannot identify image file"):
            return "damaged, or not an image" if file.stat().st_size else "empty file"
        return " ".join(reason.split())[:120] or type(error).__name__


def _of_form(file: Path, form: Form) -> NDArray[np.uint8]:
    pixels = read_pixels(file, form)
    if pixels.shape != (form.channels, *(form.size or ())):
        raise ValueError(f"its image has {_pixels(pixels.shape[1:])}, which contradicts its header")
    return pixels


def _agreed(heads: Mapping[str, Head | str], form: Form, where: str) -> Form:
    """`form`, with what it leaves open set to the common form of all images."""
    known = {name: head for name, head in heads.items() if not isinstance(head, str)}
    if not known:
        raise FaultyImages(where, {name: str(reason) for name, reason in heads.items()}, len(heads))
    differences = []
    if form.size is None:
        differences += _differing_sizes(known)
    if form.channels is None:
        differences += _differing_colours(known)
    if differences:
        raise ValueError(f"{where}: {'; '.join(differences)}")
    any_of_them = next(iter(known.values()))
    return Form(size=form.size or any_of_them.size, channels=form.channels or (1 if any_of_them.grey else 3))


def _differing_sizes(heads: Mapping[str, Head]) -> list[str]:
    counts = Counter(head.size for head in heads.values())
    if len(counts) == 1:
        return []
    (usual, count), *_ = counts.most_common(1)
    odd = next(name for name, head in heads.items() if head.size != usual)
    side = min(SENSIBLE_SIDE, int(statistics.median(min(head.size) for head in heads.values())))
    return [
        f"{count:,} of {len(heads):,} images {'has' if count == 1 else 'have'} {_pixels(usual)}, the others not (e.g. "
        f"{odd}: {_pixels(heads[odd].size)}); set image_size in [training] to resize them, e.g. image_size = {side}"
    ]


def _differing_colours(heads: Mapping[str, Head]) -> list[str]:
    grey = [name for name, head in heads.items() if head.grey]
    if len(grey) in (0, len(heads)):
        return []
    coloured = next(name for name, head in heads.items() if not head.grey)
    return [
        f"{len(grey):,} of {len(heads):,} images are grey (e.g. {grey[0]}), the others in colour (e.g. {coloured}); "
        "set channels = 3 in [training], or channels = 1 to make all of them grey"
    ]


def _printable(name: str) -> str:
    """A file's name on one line, with special characters escaped."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _room(shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    """An array for the images; checks its size, since Linux grants too much memory and later kills the process."""
    needed, there = int(np.prod(shape, dtype=np.int64)), _memory()
    if there is not None and needed > there / 2:
        raise ValueError(
            f"{where}: {shape[0]:,} images of {_pixels(shape[2:])} take {needed / 2**30:,.1f} GiB, and this machine "
            f"has {there / 2**30:,.1f} GiB of memory; set a smaller image_size in [training], e.g. image_size = "
            f"{SENSIBLE_SIDE}"
        )
    return np.empty(shape, np.uint8)


def _memory() -> int | None:
    """Bytes of memory that this process may use; None if unknown."""
    try:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # not a Unix
        return None
    for group in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):  # of a container
        if (file := Path(group)).is_file() and (text := file.read_text().strip()).isdigit():
            limits.append(int(text))
    return min(limits)


def _pixels(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]} pixels"
