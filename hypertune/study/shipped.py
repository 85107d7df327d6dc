"""The study files that ship with the package, by name."""

from __future__ import annotations

import difflib
from pathlib import Path


def shipped() -> dict[str, Path]:
    """The study files that come with the package: name to path."""
    package = Path(__file__).parents[1]
    # They are inside the package in an installed wheel, beside it in a checkout.
    folders = [folder for folder in (package / "search_spaces", package.parent / "search_spaces") if folder.is_dir()]
    return {path.stem: path for path in sorted(folders[0].glob("*.toml"))} if folders else {}


def find(source: str | Path) -> Path:
    names = shipped()
    if str(source) in names:
        return names[str(source)]
    path = Path(source)
    if path.is_file():
        return path
    close = difflib.get_close_matches(str(source), names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ValueError(f"{str(source) or repr('')}: neither a file nor a shipped study ({', '.join(names)}){hint}")
