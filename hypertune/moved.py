"""Maps the old names of modules to the new ones, so that old pickles, plugins and installed commands still load."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "batches": "sweep.batches",
    "cli": "commands.cli",
    "cluster.commands": "commands.jobs",
    "cluster.connect": "tuning.connect",
    "cluster.placement": "tuning.placement",
    "cluster.submit": "commands.submit",
    "curves": "records.curves",
    "design": "study.design",
    "domains": "space.domains",
    "hypotheses": "study.hypotheses",
    "lineage": "records.lineage",
    "live": "records.live",
    "patience": "storage.patience",
    "ray_space": "space.from_ray",
    "saves": "sweep.saves",
    "simulation.advice": "commands.advise",
    "simulation.capacity": "comparison.capacity",
    "simulation.capacity_page": "report.capacity",
    "simulation.session": "commands.simulate",
    "study_file": "study.file",
    "top": "commands.top",
    "training.build_kernels": "training.kernels.build",
    "training.pooled": "training.kernels.pooled",
    "trial": "sweep.trial",
    "tuning.folder": "records.folder",
    "tuning.retraining": "sweep.retraining",
    "tuning.session": "commands.compare",
    "tuning.trainables": "training.registry",
    "workspace": "storage.workspace",
}
"""Name before version 0.2 to the present name, both within `hypertune`."""


class MovedFinder(MetaPathFinder, Loader):
    """Finds a module by its old name and returns the module of the new name itself, so that `isinstance` holds."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        old = fullname.removeprefix("hypertune.")
        return ModuleSpec(fullname, self) if old != fullname and old in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"hypertune.{MOVED[spec.name.removeprefix('hypertune.')]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Runs nothing again; the module keeps the spec of its new name."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Makes Python ask `MovedFinder` for modules that it does not find itself."""
    if not any(isinstance(finder, MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(MovedFinder())
