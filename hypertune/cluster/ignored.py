"""Files that are not sent to a cluster: likely secrets, data, results, and those in the user's ignore files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".rayignore")

SECRETS = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf", ".htpasswd",
    ".git-credentials", ".s3cfg", ".boto", ".aws/", ".azure/", ".gcloud/", "gcloud/", ".ssh/", ".gnupg/", ".kube/",
    "kubeconfig*", ".docker/", ".ray/", ".databrickscfg", ".huggingface/", "auth_token", "*.pem", "*.key", "*.p12",
    "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.asc", "id_rsa*", "id_dsa*", "id_ecdsa*",
    "id_ed25519*", "*credential*", "!*credential*.py", "*secret*", "!*secret*.py", "*service?account*.json",
    "*password*", "!*password*.py", "*.tfstate*", "*.tfvars", "token", "token.*", "!token.py", "*.token",
)  # fmt: skip
"""Names of files and folders with keys, passwords and tokens. A Python module of such a name is still code."""
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
    ".git/", ".hg/", ".svn/", ".venv/", "venv/", "env/", "node_modules/", "__pycache__/", "*.py[cod]", ".*_cache/",
    ".hypothesis/", ".tox/", ".nox/", ".ipynb_checkpoints/", ".idea/", ".vscode/", "dist/", "build/", "*.egg-info/",
    ".coverage*", ".DS_Store", *IGNORE_FILES,
)  # fmt: skip

INSTALLED = {"site-packages", "dist-packages"}
LARGEST = 10 * 2**20
"""Size in bytes from which a file counts as data, whatever its name."""
_PRIVATE_KEY = b"PRIVATE KEY"
_Rules = tuple[tuple[Path, GitIgnoreSpec], ...]
"""Ignore files, outermost first, each with the folder to which its patterns are relative."""


class Ignored:
    """Decides which files below `root` are not sent.

    Args:
        include: patterns of files that are sent anyway.
    """

    def __init__(self, root: Path, include: Iterable[str] = ()) -> None:
        self.root = root.resolve()
        self._kinds = {
            kind: GitIgnoreSpec.from_lines(patterns)
            for kind, patterns in (("secret", SECRETS), ("data", DATA), ("results", RESULTS), ("tool", TOOLS))
        }
        self._included = tuple(include)
        self._include = GitIgnoreSpec.from_lines(self._included)

    def files(self) -> Iterator[tuple[str, str | None]]:
        """Every file, and every folder left out as a whole: its name below `root`, and why it is left out or None."""
        yield from self._walk(self.root, _outer_rules(self.root), None)

    def _walk(self, folder: Path, rules: _Rules, inherited: str | None) -> Iterator[tuple[str, str | None]]:
        rules = (*rules, *_rules_in(folder))
        for path in sorted(folder.iterdir()):
            name = path.relative_to(self.root).as_posix()
            real_folder = path.is_dir() and not path.is_symlink()
            reason = self._reason(path, name, rules, inherited)
            if real_folder and (reason is None or self._may_be_included(name)):
                yield from self._walk(path, rules, reason)
            elif reason is not None or path.is_file():
                yield name + "/" * real_folder, reason

    def _reason(self, path: Path, name: str, rules: _Rules, inherited: str | None) -> str | None:
        if path.is_symlink() and (path.is_dir() or not path.resolve().is_relative_to(self.root)):
            return "link"
        is_folder = path.is_dir()
        told = f"{name}/" if is_folder else name
        if self._include.match_file(told):
            return None
        kinds = (kind for kind, spec in self._kinds.items() if spec.match_file(told))
        by_content = _folder_kind(path, name) if is_folder else _file_kind(path)
        return inherited or next(kinds, None) or by_content or ("ignored" if _ignored(path, is_folder, rules) else None)

    def _may_be_included(self, name: str) -> bool:
        """Whether a pattern of `include` may match something in the folder, which must then be searched."""
        return any(pattern.lstrip("/").startswith(f"{name}/") for pattern in self._included)


def _folder_kind(path: Path, name: str) -> str | None:
    if (path / "study.toml").is_file() and (path / "sweeps").is_dir():
        return "results"
    return None if (path / "__init__.py").is_file() else FOLDERS.get(name)


def _file_kind(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return "data" if path.stat().st_size > LARGEST else "secret" if _holds_key(path) else None
    except PermissionError:
        return "unreadable"


def _holds_key(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(200)
    return first.startswith(b"-----BEGIN") and _PRIVATE_KEY in first


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
