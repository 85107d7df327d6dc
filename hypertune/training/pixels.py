"""One image as uint8 pixels of the size and colour that a study asks for."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

REVISION = 1
"""Goes up with every change of the pixels that an image file gives, so that what was cached before is made anew."""
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's names for images without colour."""
DAMAGE = (
    *(OSError, SyntaxError, ValueError, RuntimeError, EOFError, LookupError, ArithmeticError, MemoryError),
    *(struct.error, Image.DecompressionBombError),
)
"""What Pillow's readers raise for files that are damaged, of another kind than their name says, or absurdly large."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a photo has to be turned; from 5 on height and width change places."""
FINER = 2
"""A JPEG that is to be made smaller is decoded at no less than so many times the size asked for."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What images are made into, see `image_size` and `channels` of a study file; None leaves them as they are."""

    size: tuple[int, int] | None = None
    """Height and width in pixels."""
    channels: int | None = None
    """1 for grey, 3 for colour."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a file says of its image before anything is decoded."""

    size: tuple[int, int]
    """Height and width in pixels, the right way up."""
    grey: bool


def read_head(file: Path) -> Head:
    """Opens the file without decoding it; raises one of `DAMAGE` if that cannot be done."""
    with Image.open(file) as image:
        width, height = image.size
        # Pillow decodes all of a PNG to look for EXIF behind the pixels, where hardly any has it.
        known = image.format != "PNG" or "exif" in image.info
        turned = known and image.getexif().get(ORIENTATION, 1) >= 5
        return Head(size=(width, height) if turned else (height, width), grey=image.mode in GREY_MODES)


def read_pixels(file: Path, form: Form) -> NDArray[np.uint8]:
    """The image in a file, the right way up, as uint8 [channels, height, width]; of an animation the first frame.

    Whatever is transparent shows white. Greys of 16 bits keep the upper 8.

    Raises:
        OSError, ValueError or another of `DAMAGE`: if the file cannot be read as an image.
    """
    with Image.open(file) as image:
        if form.size is not None:
            # A photo of 4000x3000 pixels is decoded at an eighth of its size in a fraction of the time. As it may have
            # to be turned yet, both sides stay long enough for the longer one.
            side = FINER * max(form.size)
            image.draft("L" if form.channels == 1 else None, (side, side))
        # A PGM of 16 bits opens in the mode of 32-bit numbers, scaled to 16.
        if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
            raise ValueError("pixels of 32 bits, without a fixed black and white; save it with 8 or 16")
        plain = _plain(ImageOps.exif_transpose(image), form.channels)
        return _planes(_fitted(plain, form.size))


def convert(images: NDArray[np.uint8], form: Form, where: str) -> NDArray[np.uint8]:
    """Arrays of images brought into that form, uint8 [n, channels, height, width] in and out.

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
        else:  # channels without a meaning that Pillow knows: each by itself
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
    """Scaled, keeping its proportions, until it covers `size`; what juts out is cut off evenly on both sides."""
    if size is None or size == (image.height, image.width):
        return image
    return ImageOps.fit(image, size[::-1], Image.Resampling.BILINEAR)


def _planes(image: Image.Image) -> NDArray[np.uint8]:
    pixels: NDArray[Any] = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
