"""Data sets that are folders of image files, one folder per class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from hypertune.training.raw import ImageFiles

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Suffixes of image files, in lower case."""
UNREADABLE = (".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".svg", ".psd")
"""Suffixes of images that Pillow cannot read without plugins."""
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Folder names of splits, in lower case."""
LITTER = ("thumbs.db", "desktop.ini", "__macosx", "@eadir", "lost+found")
"""Files that operating systems create by themselves; ignored, as are names with a leading dot."""
MOST_NAMES = 5


def find(root: Path) -> ImageFiles:
    """Finds the image files of a folder, in an order that does not depend on the file system.

    The layout is either `root/<class>/*`, all of it the split `train`; or `root/train/<class>/*` with optional folders
    `valid` (or `val`, `validation`) and `test`. A class's files may be in subfolders. Image files are recognised by
    their suffix in any case.

    Raises:
        ValueError: naming a folder that is missing or empty, or whose classes differ from the others'.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; give one with a folder per class, or with train/ and test/")
    folders = _folders(root)
    named = [folder for folder in folders if folder.name.lower() in SPLITS]
    if named and (len(named) == len(folders) or any(_folders(folder) for folder in named)):
        notes = [f"{_names(set(folders) - set(named), root)}: ignored, not one of train, valid and test"]
        return _Search(root).split(named, notes if len(named) < len(folders) else [])
    return _Search(root).flat(folders)


class _Search:
    """Finds images below a folder and counts the files that it skips."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed: Counter[str] = Counter()
        self.loose = 0

    def flat(self, folders: Sequence[Path]) -> ImageFiles:
        for folder in folders:
            inside = {SPLITS.get(inner.name.lower()) for inner in _folders(folder)}
            if "train" in inside:
                hint = f"give {folder} as path" if len(folders) == 1 else "put them the other way round, train/<class>"
                raise ValueError(f"{folder}: has a folder for each split; {hint}")
        if len(folders) == 1 and len(_folders(folders[0])) > 1:
            raise ValueError(f"{self.root}: has a single folder, {folders[0].name}/; give {folders[0]} as path")
        return self._files({"train": self.root}, [])

    def split(self, named: Sequence[Path], notes: list[str]) -> ImageFiles:
        by_split: dict[str, Path] = {}
        for folder in named:
            other = by_split.setdefault(SPLITS[folder.name.lower()], folder)
            if other != folder:
                raise ValueError(f"{self.root}: {other.name}/ and {folder.name}/ mean the same split; keep one of them")
        if "train" not in by_split:
            raise ValueError(f"{self.root / 'train'}: missing; {_names(named, self.root)} must come with a train/")
        return self._files({split: by_split[split] for split in ("train", "valid", "test") if split in by_split}, notes)

    def _files(self, by_split: dict[str, Path], notes: list[str]) -> ImageFiles:
        found = {split: self._classes(folder) for split, folder in by_split.items()}
        classes = sorted(found["train"])
        for split, files in found.items():
            odd = sorted(files.keys() ^ found["train"].keys())
            if odd:
                raise ValueError(
                    f"{self.root}: {by_split['train'].name}/ and {by_split[split].name}/ must have the same class "
                    f"folders; only one has {', '.join(odd)}"
                )
        return ImageFiles(
            root=self.root,
            splits={
                split: [(file, label) for label, name in enumerate(classes) for file in files[name]]
                for split, files in found.items()
            },
            classes=tuple(classes),
            notes=(*notes, *self._notes()),
        )

    def _classes(self, folder: Path) -> dict[str, list[Path]]:
        """The image files of each class."""
        classes = {inner.name: list(self._images(inner)) for inner in _folders(folder)}
        loose = sum(_is_image(entry.name) for entry in _entries(folder) if not entry.is_dir())
        if not classes:
            what = f"has {loose:,} images but no class folders" if loose else "has no images"
            test = SPLITS.get(folder.name.lower()) != "train" and folder != self.root
            hint = ", or remove it to have that split cut from the training images" if test else ""
            raise ValueError(f"{folder}: {what}; put images there, a folder per class{hint}")
        self.loose += loose
        if empty := [folder / name for name, files in classes.items() if not files]:
            passed = f" that can be read (only {_counts(self.passed)})" if self.passed else ""
            where = _names(empty, self.root)
            raise ValueError(f"{self.root}: no images{passed} in {where}; put JPEG or PNG there or remove the folder")
        return classes

    def _images(self, folder: Path) -> Iterator[Path]:
        visited = set()
        for place, folders, names in os.walk(folder, onerror=_fail, followlinks=True):
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in visited:  # a circular link
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not _is_litter(name))
            for name in sorted(name for name in names if not _is_litter(name)):
                if _is_image(name):
                    yield Path(place, name)
                else:
                    self.passed[Path(name).suffix.lower() or "without ending"] += 1

    def _notes(self) -> Iterator[str]:
        if self.loose:
            yield f"images outside the class folders are left out: {self.loose:,}"
        if self.passed:
            known = [ending for ending in self.passed if ending in UNREADABLE]
            remedy = f"; convert {', '.join(known)} to JPEG or PNG to use them" if known else ""
            yield f"files without an image suffix are left out: {_counts(self.passed)}{remedy}"


def _fail(error: OSError) -> NoReturn:
    raise ValueError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not _is_litter(entry.name))
    except OSError as error:
        _fail(error)


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in LITTER


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def _names(folders: Sequence[Path] | set[Path], root: Path) -> str:
    names = [f"{folder.relative_to(root).as_posix()}/" for folder in sorted(folders)]
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _counts(passed: Counter[str]) -> str:
    return ", ".join(f"{count:,} {ending}" for ending, count in passed.most_common(MOST_NAMES))
