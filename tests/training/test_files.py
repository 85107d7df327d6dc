"""Image files of all kinds become one array, or are all named."""

from __future__ import annotations

import warnings
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hypertune.training import files
from hypertune.training.datasets import ImageData, load_dataset
from hypertune.training.files import FaultyImages
from hypertune.training.pixels import DAMAGE, Form, convert, read_head, read_pixels

ORIENTATION = 0x0112
RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(size: tuple[int, int], left: Any = RED, right: Any = BLUE, mode: str = "RGB") -> Image.Image:
    """An image whose left half has another colour than its right one."""
    image = Image.new(mode, size, left)
    ImageDraw.Draw(image).rectangle((size[0] // 2, 0, size[0], size[1]), fill=right)
    return image


def is_halves(pixels: Any) -> bool:
    """Whether [3, height, width] is red to the left and blue to the right, as far as JPEG and resizing are exact."""
    height, width = pixels.shape[1:]
    places = [(y, x) for x in (1, width - 2) for y in (1, height - 2)]
    colours = (RED, RED, BLUE, BLUE)
    return all(np.abs(pixels[:, y, x] - np.array(c)).max() < 12 for (y, x), c in zip(places, colours, strict=True))


def noise(path: Path, size: tuple[int, int] = (24, 16), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(str(path)))
    Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """Two classes of ten images."""
    for name in ("cat", "dog"):
        for number in range(10):
            noise(tmp_path / "own" / name / f"{number}.png")
    return tmp_path / "own"


def load(root: Path, **options: Any) -> ImageData:
    return load_dataset("image_folder", path=str(root), **options)


# One image ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "avif"])
@pytest.mark.parametrize("form", [Form(), Form(size=(8, 12))], ids=["as it is", "resized"])
def test_a_photo_is_turned_as_its_exif_says(tmp_path: Path, ending: str, form: Form) -> None:
    upright = halves((240, 160))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was held upright: to be turned by 90 degrees clockwise
    file = tmp_path / f"photo.{ending}"
    upright.transpose(Image.Transpose.ROTATE_90).save(file, exif=exif, quality=95)
    pixels = read_pixels(file, form)
    assert pixels.shape == (3, *(form.size or (160, 240)))
    assert is_halves(pixels)
    assert read_head(file).size == (160, 240)


@pytest.mark.parametrize("size", [(1600, 200), (200, 1600), (400, 400)])
def test_resizing_keeps_proportions_and_cuts_both_sides_alike(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    image = Image.new("RGB", size, "green")
    side = min(size)
    image.paste(halves((side, side)), ((width - side) // 2, (height - side) // 2))
    for ending in ("png", "jpg"):
        image.save(tmp_path / f"image.{ending}", quality=95)
        assert is_halves(read_pixels(tmp_path / f"image.{ending}", Form(size=(10, 10))))


def test_a_large_jpeg_resized_is_that_of_its_full_decoding(tmp_path: Path) -> None:
    gradient = Image.linear_gradient("L").resize((1200, 900))
    image = Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient))
    image.save(tmp_path / "photo.jpg", quality=95)
    image.save(tmp_path / "photo.png")
    for channels in (1, 3):
        form = Form(size=(32, 32), channels=channels)
        quick, exact = (read_pixels(tmp_path / name, form).astype(int) for name in ("photo.jpg", "photo.png"))
        assert np.abs(quick - exact).max() <= 3


@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "jp2"])
def test_greys_of_16_bits_keep_the_upper_8(tmp_path: Path, ending: str) -> None:
    greys = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    file = tmp_path / f"x.{ending}"
    Image.fromarray(greys).save(file)
    assert np.array_equal(read_pixels(file, Form())[0], greys >> 8)
    assert read_pixels(file, Form(size=(4, 4), channels=3)).shape == (3, 4, 4)


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    clear.save(tmp_path / "rgba.png")
    clear.save(tmp_path / "rgba.webp", lossless=True)
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "la.png")
    clear.convert("P").save(tmp_path / "p.gif", transparency=clear.convert("P").getpixel((0, 0)))
    Image.new("RGB", (4, 4), RED).save(tmp_path / "key.png", transparency=RED)
    for name in ("rgba.png", "rgba.webp", "la.png", "p.gif", "key.png"):
        assert (read_pixels(tmp_path / name, Form()) == 255).all(), name
    assert read_pixels(tmp_path / "la.png", Form()).shape == (1, 4, 4)
    Image.new("RGBA", (4, 4), (255, 0, 0, 128)).save(tmp_path / "half.png")
    assert read_pixels(tmp_path / "half.png", Form())[:, 0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        *(("png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *(("jpg", mode) for mode in ("1", "L", "RGB", "CMYK", "YCbCr")),
        *(("tif", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")),
        *(("gif", "P"), ("gif", "L"), ("bmp", "RGB"), ("webp", "RGBA"), ("avif", "RGB"), ("jp2", "RGBA")),
    ],
)
def test_every_mode_becomes_grey_and_colour(tmp_path: Path, ending: str, mode: str) -> None:
    file = tmp_path / f"x.{ending}"
    noise(file, mode=mode)
    for channels in (1, 3):
        pixels = read_pixels(file, Form(size=(7, 9), channels=channels))
        assert pixels.shape == (channels, 7, 9)
        assert pixels.dtype == np.uint8


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [halves((20, 20)), Image.new("RGB", (20, 20), "green")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=9)
    assert is_halves(read_pixels(tmp_path / "x.gif", Form()))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_of_32_bits_have_no_known_black_and_white(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4), 9).save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match="32-bit"):
        read_pixels(tmp_path / "x.tif", Form())


def test_one_pixel_fills_any_size(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), RED).save(tmp_path / "x.jpg")
    assert read_pixels(tmp_path / "x.jpg", Form(size=(5, 4), channels=1)).shape == (1, 5, 4)


def test_damaged_files_raise_what_is_expected_of_them(tmp_path: Path) -> None:
    """Bytes changed and cut off at random: an image, or one of the errors that are told with the file's name."""
    random, file, failed = np.random.default_rng(0), tmp_path / "x", 0
    for ending in ("jpg", "png", "gif", "tif", "webp", "bmp", "avif", "pgm"):
        content = noise(tmp_path / f"x.{ending}", mode="L" if ending == "pgm" else "RGB").read_bytes()
        for _ in range(60):
            damaged = bytearray(content[: random.integers(1, len(content) + 1)])
            for place in random.integers(0, len(damaged), 3):
                damaged[place] = random.integers(256)
            file.write_bytes(damaged)
            try:
                with warnings.catch_warnings(action="ignore"):
                    read_head(file)
                    read_pixels(file, Form(size=(4, 4)))
            except DAMAGE:
                failed += 1
    assert failed > 100


# Arrays ------------------------------------------------------------------------------------------------------------


def test_arrays_are_resized_and_converted_like_files(tmp_path: Path) -> None:
    file = noise(tmp_path / "x.png", size=(40, 30))
    array = np.asarray(Image.open(file)).transpose(2, 0, 1)[None]
    for form in (Form(size=(8, 8)), Form(size=(16, 5), channels=1), Form(channels=1), Form()):
        assert np.array_equal(convert(array, form, "x")[0], read_pixels(file, form))
    grey = convert(array, Form(channels=1), "x")
    assert np.array_equal(convert(grey, Form(channels=3), "x"), np.repeat(grey, 3, axis=1))


def test_channels_that_are_no_colours_are_resized_one_by_one() -> None:
    array = np.zeros((2, 4, 10, 10), np.uint8)
    array[:, 2] = 200
    assert convert(array, Form(size=(5, 5)), "x")[:, :, 0, 0].tolist() == [[0, 0, 200, 0]] * 2
    with pytest.raises(ValueError, match="x: channels: images of 4 channels are neither grey"):
        convert(array, Form(channels=3), "x")


def test_any_data_set_is_resized(digits: ImageData) -> None:
    data = load_dataset("digits", image_size=[4, 6], channels=3)
    assert data.images.shape == (1797, 3, 4, 6)
    assert np.array_equal(data.valid, digits.valid)


# A folder of them --------------------------------------------------------------------------------------------------


def test_photos_of_many_sizes_and_modes(root: Path) -> None:
    for number, mode in enumerate(("1", "L", "P", "RGBA", "CMYK")):
        noise(root / "cat" / f"{mode}.tif", size=(30 + number, 50), mode=mode)
    data = load(root, image_size=[12, 10], channels=3)
    assert data.images.shape == (25, 3, 12, 10)
    assert load(root, image_size=9, channels=1).images.shape == (25, 1, 9, 9)


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for number in range(4):
            noise(tmp_path / name / f"{number}.png", mode="L")
    assert load(tmp_path).images.shape == (8, 1, 16, 24)


def test_differing_sizes_and_colours_name_the_keys_that_help(root: Path) -> None:
    noise(root / "dog" / "large.png", size=(640, 480))
    with pytest.raises(
        ValueError,
        match=r"20 of 21 images have 24x16 pixels, the others not \(e.g. dog/large.png: 640x480 pixels\); set "
        r"image_size in \[training\] to resize them, e.g. image_size = 16$",
    ):
        load(root)
    noise(root / "dog" / "large.png", mode="L")
    with pytest.raises(
        ValueError, match=r"1 of 21 images are grey \(e.g. dog/large.png\), .* set channels = 3 in \[tr"
    ):
        load(root, image_size=8)


def test_photos_held_upright_are_of_another_size(root: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    halves((24, 16)).save(root / "dog" / "upright.jpg", exif=exif)
    with pytest.raises(ValueError, match="dog/upright.jpg: 16x24 pixels"):
        load(root)
    assert load(root, image_size=8).images.shape == (21, 3, 8, 8)


@pytest.mark.parametrize("options", [{}, {"image_size": 8}, {"image_size": 8, "channels": 1}])
def test_all_faulty_files_are_named_at_once(root: Path, options: dict[str, Any]) -> None:
    (root / "cat" / "empty.jpg").write_bytes(b"")
    (root / "cat" / "text.jpg").write_text("no image")
    (root / "cat" / "two\nlines.png").write_text("no image")
    (root / "dog" / "cut.png").write_bytes((root / "dog" / "0.png").read_bytes()[:500])
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    Image.new("1", (14_000, 13_000)).save(root / "dog" / "vast.png")
    with pytest.raises(FaultyImages, match="6 of 26 images cannot be read: cat/empty.jpg .empty file., ") as caught:
        load(root, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.faults == {
        "cat/empty.jpg": "empty file",
        "cat/text.jpg": "damaged, or not an image",
        r"cat/two\nlines.png": "damaged, or not an image",
        "dog/cut.png": "image file is truncated",
        "dog/gone.png": "No such file or directory",
        "dog/vast.png": "over 178 million pixels; make it smaller",
    }


def test_of_many_faulty_files_one_line_names_ten(root: Path) -> None:
    for number in range(500):
        (root / "cat" / f"bad{number:03}.jpg").write_text("no image")
    with pytest.raises(FaultyImages, match="500 of 520 .*bad009.jpg .* and 490 more .hypertune validate") as caught:
        load(root)
    assert len(caught.value.faults) == 500
    assert len(str(caught.value)) < 1000


def test_nothing_but_faulty_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").write_text("no image")
    with pytest.raises(FaultyImages, match="6 of 6 images"):
        load(tmp_path)


def test_more_than_the_memory_holds_is_refused_before_it_is_taken(root: Path) -> None:
    with pytest.raises(ValueError, match=r"20 images of 900000x900000 pixels take .* and this machine has .* set a sm"):
        load(root, image_size=900_000)


def test_resized_images_come_from_the_cache_until_a_file_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root, image_size=8)
    with monkeypatch.context() as patch:
        patch.setattr(files, "read_pixels", lambda *_: pytest.fail("read anew"))
        assert np.array_equal(load(root, image_size=8).images, first.images)
    Image.new("RGB", (24, 16), "white").save(root / "cat" / "0.png")
    changed = load(root, image_size=8)
    assert (changed.images[0] == 255).all()
    assert np.array_equal(changed.images[1:], first.images[1:])
    assert load(root, image_size=9).images.shape == (20, 3, 9, 9)
    assert load(root, image_size=8, channels=1).images.shape == (20, 1, 8, 8)
    assert load(root, image_size=8, classes=["dog", "cat"]).images.shape == (20, 3, 8, 8)


def test_the_cache_keeps_one_state_of_a_folder(root: Path, cache: Path) -> None:
    for _ in range(3):
        noise(root / "cat" / "0.png", size=(20 + _, 20))
        load(root, image_size=8)
    assert len(list((cache / "arrays").glob("*.npy"))) == 1


def test_who_is_told_of_the_reading_can_end_it(root: Path) -> None:
    told: list[tuple[int, int]] = []
    load(root, told=lambda done, images: told.append((done, images)))
    assert told == [(done, 20) for done in range(1, 21)]

    def stop(done: int, images: int) -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        load(root, told=stop)
