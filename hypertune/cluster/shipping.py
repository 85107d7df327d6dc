"""Collects what a study needs on a cluster besides libraries: its file, hypertune itself, and the user's own code.

All of it becomes the job's working directory, which Ray puts on `sys.path` of the driver and of every worker. Plugins
are found there by name, since their metadata is sent as well.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, EntryPoint, distribution, entry_points
from itertools import accumulate
from pathlib import Path

from hypertune.cluster.ignored import Ignored
from hypertune.installed import DISTRIBUTION
from hypertune.study.study import Study
from hypertune.training.kernels import LIBRARY_NAME

STUDY_FILE = "hypertune_study.toml"
"""Name of the study's file in the job's working directory."""
COMPILED = (".so", ".pyd", ".dylib")
MOST_BYTES = 100 * 2**20
"""Maximal size of a job's working directory; Ray accepts about 500 MiB and keeps it in the head's memory."""


@dataclass
class Shipment:
    """Files to send: name in the job's working directory to local file or content.

    Attributes:
        left_out: files that are not sent, with the reason.
    """

    files: dict[str, Path | bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes, unpacked."""
        return sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in self.files.values())

    def add_folder(self, root: Path, *, below: str = "", include: Iterable[str] = ()) -> None:
        """Adds the files below `root` that may be sent; `below` is their target folder."""
        for name, reason in Ignored(root, include).files():
            if reason is None:
                self.files[below + name] = root / name
            else:
                self.left_out[below + name] = reason

    def add_file(self, path: Path, include: Iterable[str] = ()) -> None:
        """Adds a file on its own, if it may be sent."""
        reason = Ignored(path.parent, include).alone(path.name)
        if reason is None:
            self.files[path.name] = path
        else:
            self.left_out[path.name] = reason

    def write(self, folder: Path) -> None:
        """Writes everything into `folder`."""
        for name, file in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(file, bytes):
                target.write_bytes(file)
            else:
                shutil.copyfile(file, target)


def pack(study: Study, working_dir: Path | None, *, include: Iterable[str] = ()) -> Shipment:
    """Collects everything that `study` needs.

    Args:
        working_dir: the folder with the user's code; None is the current one if the study's trainable is there,
            else no folder.
        include: patterns of files below it, or of installed modules, that are sent although they look like secrets,
            data or results.

    Raises:
        ValueError: if the trainable cannot be found, if its module or a plugin's would be left out, or if there is too
            much to send.
    """
    shipment, include = Shipment(), tuple(include)
    root = working_dir or _current_if_needed(study)
    if root is not None:
        if not root.is_dir():
            raise ValueError(f"--working-dir {root}: no such folder")
        shipment.add_folder(root.resolve(), include=include)
    for module in _own_modules(study, root):
        _add_module(shipment, module, include)
    if (name := _trainable_module(study)) is not None:
        _check_sent(shipment, "training.trainable", name)
    for package in {DISTRIBUTION, *_plugins(study)}:
        _add_distribution(shipment, distribution(package), include)
    shipment.files[STUDY_FILE] = study.to_toml().encode()
    _check_size(shipment)
    return shipment


def _check_sent(shipment: Shipment, whose: str, module: str) -> None:
    """Checks that neither a module nor a package around it is among what is left out.

    Raises:
        ValueError: naming the file, the reason and the remedy.
    """
    for path in accumulate(module.split("."), "{}/{}".format):
        for name in (f"{path}.py", f"{path}/", f"{path}/__init__.py"):
            if name in shipment.left_out:
                reason = shipment.left_out[name]
                why = "holds what looks like a key or password" if reason == "secret" else f"is left out ({reason})"
                raise ValueError(
                    f"{whose}: {name} {why} and would not be sent; correct that, or send it with --include {name}"
                )


def _check_size(shipment: Shipment) -> None:
    if shipment.size <= MOST_BYTES:
        return
    sizes = {name: file.stat().st_size for name, file in shipment.files.items() if isinstance(file, Path)}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    raise ValueError(
        f"--working-dir: {shipment.size / 2**20:.0f} MiB to send, at most {MOST_BYTES / 2**20:.0f} allowed; list what "
        f"the cluster does not need in .rayignore; largest: {', '.join(largest)}"
    )


def _top(module: str) -> str:
    return module.partition(".")[0]


def _trainable_module(study: Study) -> str | None:
    """The module of a trainable that the study names as `package.module:attribute`."""
    name = study.training.trainable
    return name.partition(":")[0] if ":" in name else None


def _lies_in(folder: Path, module: str) -> bool:
    return PathFinder.find_spec(_top(module), [str(folder)]) is not None


def _current_if_needed(study: Study) -> Path | None:
    module = _trainable_module(study)
    return Path.cwd() if module and _lies_in(Path.cwd(), module) else None


def _own_modules(study: Study, root: Path | None) -> Iterator[ModuleSpec]:
    """The top-level module of the study's trainable, unless it is in `root`."""
    module = _trainable_module(study)
    if module is None or (root is not None and _lies_in(root, module)):
        return
    spec = importlib.util.find_spec(_top(module))
    if spec is None:
        raise ValueError(
            f"training.trainable: module {_top(module)!r} is neither in {root or Path.cwd()} nor installed here; give "
            "its folder as --working-dir"
        )
    yield spec


def _add_module(shipment: Shipment, spec: ModuleSpec, include: Iterable[str]) -> None:
    """Adds a module or package; one with compiled code must be installed on the cluster instead."""
    locations = list(spec.submodule_search_locations or [])
    if not locations:
        if spec.origin and Path(spec.origin).suffix == ".py":
            shipment.add_file(Path(spec.origin), include)
        else:
            shipment.left_out[spec.name] = "compiled; install it on the cluster"
        return
    # The kernels are optional, so the cluster need not have them.
    optional = (LIBRARY_NAME,) if spec.name == "hypertune" else ()
    include = [pattern.removeprefix(f"{spec.name}/") for pattern in include]
    for location in map(Path, locations):
        if any(path.suffix in COMPILED and path.name not in optional for path in location.rglob("*")):
            shipment.left_out[spec.name] = "compiled; install it on the cluster"
        else:
            shipment.add_folder(location, below=f"{spec.name}/", include=[*optional, *include])


def _plugins(study: Study) -> set[str]:
    """Names of the packages, other than hypertune, that provide the study's strategies, trainable and data set."""
    named = {part for strategy in study.strategies for part in strategy.split("+")}
    wanted = {
        "searchers": named,
        "schedulers": named,
        "trainables": {study.training.trainable},
        "datasets": {study.training.dataset or ""},
    }
    found = (entry for kind, names in wanted.items() for entry in _entries(kind) if entry.name in names)
    return {entry.dist.name for entry in found if entry.dist is not None} - {DISTRIBUTION}


def _entries(kind: str) -> Iterable[EntryPoint]:
    return entry_points(group=f"hypertune.{kind}")


def _add_distribution(shipment: Shipment, package: Distribution, include: Iterable[str]) -> None:
    """Adds the package's modules with its entry points, and the metadata that names them."""
    modules = {_top(entry.module) for entry in package.entry_points if entry.group.startswith("hypertune.")}
    for module in sorted(modules):
        spec = importlib.util.find_spec(module)
        if spec is None:
            raise ValueError(f"{package.name}: its entry points name {module!r}, which cannot be found")
        _add_module(shipment, spec, include)
        _check_sent(shipment, package.name, module)
    folder = f"{package.name.replace('-', '_')}-{package.version}.dist-info"
    for name in ("METADATA", "entry_points.txt"):
        text = package.read_text(name)
        if text is not None:
            shipment.files[f"{folder}/{name}"] = text.encode()
