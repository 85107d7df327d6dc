"""Reads one image as uint8 pixels of the size and colour that a study asks for."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

REVISION = 1
"""Increased with every change to how pixels are read, so that older cached images are made again."""
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's names for images without colour."""
DAMAGE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, EOFError, LookupError, ArithmeticError, MemoryError),
    *(struct.error, Image.DecompressionBombError),
)
"""Exceptions of Pillow's readers for files that are damaged, wrongly named, or absurdly large."""
ORIENTATION = 0x0112
"""The EXIF tag that says how to rotate a photo; from 5 on, height and width are swapped."""
FINER = 2
"""A JPEG to be shrunk is decoded at no less than this multiple of the requested size."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Requested form of the images, see `image_size` and `channels` of a study file; None keeps them unchanged."""

    size: tuple[int, int] | None = None
    """Height and width in pixels."""
    channels: int | None = None
    """1 for grey, 3 for colour."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the header of a file says about its image."""

    size: tuple[int, int]
    """Height and width in pixels, the right way up."""
    grey: bool


def read_head(file: Path) -> Head:
    """Opens the file without decoding it; raises one of `DAMAGE` if that cannot be done."""
    with Image.open(file) as image:
        width, height = image.size
        # Pillow decodes a whole PNG to look for EXIF after the pixels, where hardly any PNG has it.
        known = image.format != "PNG" or "exif" in image.info
        turned = known and image.getexif().get(ORIENTATION, 1) >= 5
        return Head(size=(width, height) if turned else (height, width), grey=image.mode in GREY_MODES)


def read_pixels(file: Path, form: Form) -> NDArray[np.uint8]:
    """The image in a file, the right way up, as uint8 [channels, height, width]; of an animation the first frame.

    Transparent pixels become white. 16-bit greys keep the upper 8 bits.

    Raises:
        OSError, ValueError or another of `DAMAGE`: if the file cannot be read as an image.
    """
    with Image.open(file) as image:
        if form.size is not None:
            # Decoding a photo of 4000x3000 pixels at an eighth of its size takes a fraction of the time. Since it may
            # still have to be rotated, both sides stay long enough for the longer one.
            side = FINER * max(form.size)
            image.draft("L" if form.channels == 1 else None, (side, side))
        # A 16-bit PGM opens in the mode of 32-bit integers, scaled to 16 bits.
        if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
            raise ValueError("32-bit pixels without a fixed black and white; save it with 8 or 16 bits")
        plain = _plain(ImageOps.exif_transpose(image), form.channels)
        return _planes(_fitted(plain, form.size))


def convert(images: NDArray[np.uint8], form: Form, where: str) -> NDArray[np.uint8]:
    """Converts images, uint8 [n, channels, height, width], into that form.

    Raises:
        ValueError: naming `where`, if `form` asks for grey or colour and the images are neither.
    """
    channels = images.shape[1]
    if form.channels not in (None, channels) and channels not in (1, 3):
        raise ValueError(
            f"{where}: channels: images of {channels} channels are neither grey (1) nor colour (3); leave channels out"
        )
    wanted = form.channels or channels
    if (wanted, form.size or images.shape[2:]) == (channels, images.shape[2:]):
        return images
    made = np.empty((len(images), wanted, *(form.size or images.shape[2:])), np.uint8)
    for number, image in enumerate(images):
        if channels in (1, 3):
            whole = Image.fromarray(image[0] if channels == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
            made[number] = _planes(_fitted(_plain(whole, wanted), form.size))
        else:  # channels that Pillow has no mode for: each one separately
            made[number] = [np.asarray(_fitted(Image.fromarray(plane), form.size)) for plane in image]
    return made


def _plain(image: Image.Image, channels: int | None) -> Image.Image:
    """The image in 8-bit grey or colour, without transparency."""
    grey = image.mode in GREY_MODES
    if image.mode.startswith("I"):  # 16 bits; Pillow itself would make everything above 255 white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L" if channels == 1 or (channels is None and grey) else "RGB")


def _fitted(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """The image scaled to cover `size`, keeping its aspect ratio, and cropped at the centre."""
    if size is None or size == (image.height, image.width):
        return image
    return ImageOps.fit(image, size[::-1], Image.Resampling.BILINEAR)


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    pixels: NDArray[Any] = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
