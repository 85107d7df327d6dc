"""How hypertune is installed: its version, its extras, and whether another project has overwritten its files."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "hypertune-ray"
"""The name it is installed by; it is imported as `hypertune`."""
OTHER = "hypertune"
"""Another project on the package registry with the same import name: its files would overwrite ours."""


def installed_version() -> str:
    """The version, e.g. `0.1.0`; `unknown` where only the sources are present, as in a cluster's job."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def check_alone() -> None:
    """Checks that the other project of the same name is not installed here.

    Raises:
        ValueError: one line that says what to remove.
    """
    try:
        there = version(OTHER)
    except PackageNotFoundError:
        return
    raise ValueError(
        f"another project called hypertune ({there}) is installed here and overwrites our files; remove it (`pip "
        f"uninstall {OTHER}`) and install {DISTRIBUTION} again"
    )


def install_hint(extra: str) -> str:
    """The command that installs what an extra needs, whether hypertune comes from a checkout or a wheel."""
    checkout = _checkout()
    if checkout is not None and _made_by_uv():
        return f"`uv sync --extra {extra}` in {checkout}"
    wanted = " ".join(f"'{requirement}'" for requirement in requirements_of(extra))
    return f"`{'uv ' if _made_by_uv() else ''}pip install {wanted}`"


def requirements_of(extra: str) -> list[str]:
    """What an extra requires, without its marker."""
    found = []
    for text in requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            requirement.marker = None
            found.append(str(requirement))
    return found


def _checkout() -> Path | None:
    """The folder of an editable installation."""
    try:
        told = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return None
    if not told.get("dir_info", {}).get("editable"):
        return None
    return Path(str(told["url"]).removeprefix("file://"))


def _made_by_uv() -> bool:
    """Whether the environment was made by uv and so may have no pip."""
    configuration = Path(sys.prefix, "pyvenv.cfg")
    return configuration.is_file() and "uv = " in configuration.read_text(encoding="utf-8")
