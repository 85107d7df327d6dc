"""What the command `hypertune` starts, installed as the module `hypertune_ray` beside the package.

Another project of the package registry has the import name `hypertune`, too. Where it comes first on Python's path,
none of our package can be imported, and this module is what can still say so.
"""

from __future__ import annotations

import sys

REMEDY = (
    "hypertune: the Python package `hypertune` here is another project of that name; remove it (`pip uninstall "
    "hypertune`) and install hypertune-ray again"
)


def main() -> int:
    """Runs the command; exit code 2 where the package belongs to the other project."""
    try:
        from hypertune.commands.cli import main as command
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("hypertune"):
            raise
        print(REMEDY, file=sys.stderr)
        return 2
    return command()
