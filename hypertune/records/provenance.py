"""The provenance of records: versions, hardware, command, seeds, times, and the ledger of spent budgets."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hypertune.installed import DISTRIBUTION
from hypertune.records.failures import to_ledger
from hypertune.records.records import Records
from hypertune.storage.files import now, write_atomically
from hypertune.study.study import Study

PACKAGES = (
    "ray", "torch", "torchvision", "hyperopt", "bayesian-optimization", "optuna", "scikit-learn",
    "numpy", "pandas",
)  # fmt: skip


def start_provenance(study: Study, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """The facts needed to repeat the study: versions, command, seeds and circumstances.

    Args:
        circumstances: `hardware`, `workers`, `address`, `data_dir`, `images` by split, `notes` on the data.
    """
    return {
        **software(),
        **circumstances,
        "seeds": list(study.seeds),
        "started_at": now(),
        "ended_at": None,
    }


def software() -> dict[str, Any]:
    """The command and the versions it ran with."""
    return {
        "command": _command(),
        "python_version": platform.python_version(),
        "versions": {"hypertune": _version(DISTRIBUTION), **{name: _version(name) for name in PACKAGES}},
        "git_commit": _git_commit(),
    }


def machine() -> dict[str, Any]:
    """The machine this process runs on."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()}


def write_provenance(folder: Path, provenance: Mapping[str, Any], records: Records) -> None:
    """Writes `provenance.json`, whose ledger allows rebuilding reports after `sweeps/` is removed."""
    ledger = {
        "sweeps": json.loads(records.sweeps.to_json(orient="records")),
        "retrained": json.loads(records.retrained.to_json(orient="records")),
        "incumbents": records.incumbent_configs(),
        "schedules": records.incumbent_schedules(),
        "failures": to_ledger(records.failures),
        "gave_up": records.gave_up,
        "looks": list(records.looks),
        "extensions": list(records.extensions),
    }
    write_atomically(folder / "provenance.json", json.dumps({**provenance, **ledger}, indent=2, default=repr) + "\n")


def _command() -> str:
    """The command line, as far as the process knows it."""
    program = Path(sys.argv[0]).name
    name = ["hypertune"] if program in ("hypertune", "__main__.py") else ["python", program]
    return shlex.join([*name, *sys.argv[1:]])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of hypertune's own checkout; None if it was installed as a package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
