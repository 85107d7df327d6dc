"""Entry point of the command `hypertune`, installed as the module `hypertune_ray` beside the package.

Another project on the package registry also has the import name `hypertune`. Where it comes first on Python's path,
our package cannot be imported, and only this module can still report that.
"""

from __future__ import annotations

import sys

REMEDY = (
    "hypertune: the installed Python package `hypertune` is another project of that name; remove it (`pip uninstall "
    "hypertune`) and install hypertune-ray again"
)


def main() -> int:
    """Runs the command; returns exit code 2 if the package belongs to the other project."""
    try:
        from hypertune.commands.cli import main as command
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("hypertune"):
            raise
        print(REMEDY, file=sys.stderr)
        return 2
    return command()
