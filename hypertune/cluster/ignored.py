"""Files that are not sent to a cluster: hidden ones, likely secrets, data, results, and those in ignore files.

Names are compared regardless of case, and a link is judged by what it leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

from hypertune.cluster.secret_files import has_secret_name, holds_key
from hypertune.storage.files import STUDY

IGNORE_FILES = (".gitignore", ".rayignore")

DATA = (
    "*.npz", "*.npy", "*.parquet", "*.arrow", "*.feather", "*.h5", "*.hdf5", "*.tfrecord*",
    "*.pt", "*.pth", "*.ckpt", "*.safetensors", "*.onnx", "*.pkl", "*.pickle", "*.joblib", "*.tar", "*.tar.*", "*.tgz",
    "*.zip", "*.gz", "*.bz2", "*.xz", "*.zst", "*.7z", "*.sqlite*", "*.db", "*-ubyte",
)  # fmt: skip
RESULTS = (
    "hypertune-out/", "mlruns/", "mlflow.db", "wandb/", "lightning_logs/",
    "ray_results/", "*.log",
)  # fmt: skip
FOLDERS = {"data": "data", "datasets": "data", "results": "results", "runs": "results", "outputs": "results"}
"""Folders directly below the root that are not sent, with the reason, unless they are Python packages."""
TOOLS = (
    ".git/", ".git", ".hg/", ".svn/", ".venv/", "node_modules/", "__pycache__/", "*.py[cod]", ".*_cache/",
    ".hypothesis/", ".tox/", ".nox/", ".ipynb_checkpoints/", ".idea/", ".vscode/", "dist/", "build/", "*.egg-info/",
    ".coverage*", ".ds_store", ".python-version", ".gitattributes", ".gitmodules", ".github/", ".ci/", ".editorconfig",
    ".pre-commit-config.yaml", ".dockerignore", *IGNORE_FILES,
)  # fmt: skip
"""What nobody misses, so that `submit` does not name it."""

INSTALLED = {"site-packages", "dist-packages"}
LARGEST = 10 * 2**20
"""Size in bytes from which a file counts as data, whatever its name."""
_Rules = tuple[tuple[Path, GitIgnoreSpec], ...]
"""Ignore files, outermost first, each with the folder to which its patterns are relative."""


class Ignored:
    """Decides which files below `root` are not sent.

    Args:
        include: patterns of files that are sent anyway; what looks like a secret only where a pattern is its path or
            name, since a wildcard was probably not meant for it.
    """

    def __init__(self, root: Path, include: Iterable[str] = ()) -> None:
        self.root = root.resolve()
        self._kinds = {
            kind: GitIgnoreSpec.from_lines(patterns)
            for kind, patterns in (("data", DATA), ("results", RESULTS), ("tool", TOOLS))
        }
        self._include = GitIgnoreSpec.from_lines(include := tuple(include))
        self._named = {pattern.strip("/") for pattern in include}

    def files(self) -> Iterator[tuple[str, str | None]]:
        """Every file, and every folder left out as a whole: its name below `root`, and why it is left out or None."""
        yield from self._walk(self.root, _outer_rules(self.root), None)

    def alone(self, name: str) -> str | None:
        """Why one file directly below `root` is left out, whatever ignore files say; None if it is not."""
        return self._reason(self.root / name, (), None)

    def _walk(self, folder: Path, rules: _Rules, inherited: str | None) -> Iterator[tuple[str, str | None]]:
        try:
            paths, rules = sorted(folder.iterdir()), (*rules, *_rules_in(folder))
        except PermissionError:
            yield self._name(folder) + "/", "unreadable"
            return
        for path in paths:
            name, is_folder = self._name(path), path.is_dir() and not path.is_symlink()
            reason = self._link(path) if path.is_symlink() else None
            reason = reason or self._reason(path, rules, inherited)
            if is_folder and (reason is None or self._may_be_included(name)):
                yield from self._walk(path, rules, reason)
            elif reason is not None or path.is_file():
                yield name + "/" * is_folder, reason

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _link(self, path: Path) -> str | None:
        """Why what the link leads to is left out; None if it is a file below `root` that is sent itself."""
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):  # leads nowhere, or to itself
            return "link"
        if target.is_dir() or not target.is_relative_to(self.root):
            return "link"
        rules, reason = _outer_rules(self.root), None
        for above in reversed([target, *target.parents][: len(target.relative_to(self.root).parts)]):
            rules = (*rules, *_rules_in(above.parent))
            reason = self._reason(above, rules, reason)
        return reason

    def _reason(self, path: Path, rules: _Rules, inherited: str | None) -> str | None:
        name, is_folder = self._name(path), path.is_dir()
        told = f"{name}/" if is_folder else name
        if name in self._named or path.name in self._named:
            return None
        if inherited == "secret" or has_secret_name(told):
            return "secret"
        if not self._include.match_file(told):
            kinds = (kind for kind, spec in self._kinds.items() if spec.match_file(told.casefold()))
            reason = inherited or next(kinds, None) or (_folder_kind(path, name) if is_folder else _size_kind(path))
            if reason is None and _ignored(path, is_folder, rules):
                reason = "ignored"
            if reason is not None or path.name.startswith("."):
                return reason or "hidden"
        return _content_kind(path)

    def _may_be_included(self, name: str) -> bool:
        """Whether a pattern of `include` may match something in the folder, which must then be searched."""
        return any(pattern.startswith(f"{name}/") for pattern in self._named)


def _folder_kind(path: Path, name: str) -> str | None:
    if (path / "pyvenv.cfg").is_file():
        return "tool"
    if (path / STUDY).is_file() and (path / "sweeps").is_dir():
        return "results"
    return None if (path / "__init__.py").is_file() else FOLDERS.get(name.casefold())


def _size_kind(path: Path) -> str | None:
    return "data" if path.is_file() and path.stat().st_size > LARGEST else None


def _content_kind(path: Path) -> str | None:
    try:
        return "secret" if path.is_file() and holds_key(path) else None
    except PermissionError:
        return "unreadable"


def _ignored(path: Path, is_folder: bool, rules: _Rules) -> bool:
    """Whether the path is ignored, as in git: the innermost ignore file with a matching pattern decides."""
    for folder, spec in reversed(rules):
        said = spec.check_file(path.relative_to(folder).as_posix() + "/" * is_folder).include
        if said is not None:
            return said
    return False


def _outer_rules(root: Path) -> _Rules:
    """Ignore files above `root`, up to its repository; none for an installed package."""
    if INSTALLED.intersection(root.parts):
        return ()
    above = list(root.parents)
    inside = next((number for number, folder in enumerate([root, *above]) if (folder / ".git").exists()), 0)
    return tuple(rule for folder in reversed(above[:inside]) for rule in _rules_in(folder))


def _rules_in(folder: Path) -> _Rules:
    files = (folder / name for name in IGNORE_FILES)
    return tuple(
        (folder, GitIgnoreSpec.from_lines(file.read_text(encoding="utf-8", errors="replace").splitlines()))
        for file in files
        if file.is_file()
    )
