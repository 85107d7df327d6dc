"""The output folder of a study: claimed for one process, never overwritten, with its provenance."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from hypertune.records import JOURNAL, LOCK, Records, now, write_atomically
from hypertune.study import Study

if TYPE_CHECKING:
    from hypertune.training.datasets import ImageData

PACKAGES = (
    "hypertune", "ray", "torch", "torchvision", "hyperopt", "bayesian-optimization", "optuna", "scikit-learn",
    "numpy", "pandas",
)  # fmt: skip


def claim(folder: Path, study: Study, *, resume: bool) -> FileLock:
    """Makes `folder` this process's own until the lock is released, and writes `study.toml` into a new one.

    Raises:
        ValueError: if the folder holds something else, or another process is writing it.
    """
    if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"--out {folder}: holds {_what_it_holds(folder)} already; choose another folder, "
            f"or go on with it by --resume {folder}"
        )
    try:
        (folder / JOURNAL.parent).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"--out {folder}: another hypertune is writing to it") from None
    except OSError as error:
        raise ValueError(f"--out {folder}: cannot be written ({error.strerror})") from None
    if not resume:
        write_atomically(folder / "study.toml", study.to_toml())
    return lock


def holds_events(folder: Path) -> bool:
    """Whether the study in `folder` has begun."""
    journal = folder / JOURNAL
    return journal.exists() and journal.stat().st_size > 0


def discard(folder: Path) -> None:
    """Removes what `claim` and a run that never began have left, so that the next try finds the place free."""
    shutil.rmtree(folder)


def _what_it_holds(folder: Path) -> str:
    return "another study" if (folder / "study.toml").exists() else "files that are no study"


def default(study: Study) -> Path:
    """Where a study goes without `--out`: `hypertune-out/NAME`, numbered where that exists already."""
    base = Path("hypertune-out")
    candidates = [base / study.name, *(base / f"{study.name}-{n}" for n in range(2, 10_000))]
    return next(path for path in candidates if not path.exists())


def start_provenance(
    study: Study, *, workers: int, address: str | None, data_dir: Path | None, data: ImageData | None
) -> dict[str, Any]:
    """What a reader needs to know to repeat the study: versions, hardware, command, seeds, images of each split."""
    return {
        **software(),
        "hardware": _hardware(),
        "workers": workers,
        "address": address,
        "data_dir": str(data_dir.resolve()) if data_dir else None,
        "images": data.sizes() if data is not None else {},
        "notes": list(data.notes) if data is not None else [],
        "seeds": list(study.seeds),
        "started_at": now(),
        "ended_at": None,
    }


def software() -> dict[str, Any]:
    """The command and the versions it ran with."""
    return {
        "command": _command(),
        "python_version": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
    }


def machine() -> dict[str, Any]:
    """The computer this process runs on."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()}


def write_provenance(folder: Path, provenance: Mapping[str, Any], records: Records) -> None:
    """Writes `provenance.json`; the ledger in it lets reports be rebuilt once `sweeps/` is removed."""
    ledger = {
        "sweeps": json.loads(records.sweeps.to_json(orient="records")),
        "retrained": json.loads(records.retrained.to_json(orient="records")),
        "incumbents": records.incumbent_configs(),
        "schedules": records.incumbent_schedules(),
    }
    write_atomically(folder / "provenance.json", json.dumps({**provenance, **ledger}, indent=2, default=repr) + "\n")


def _command() -> str:
    """What was typed, as far as a process can know it."""
    program = Path(sys.argv[0]).name
    name = ["hypertune"] if program in ("hypertune", "__main__.py") else ["python", program]
    return shlex.join([*name, *sys.argv[1:]])


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of hypertune's own checkout; None where it was installed as a package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _hardware() -> dict[str, Any]:
    import ray

    total = ray.cluster_resources()
    return {
        **machine(),
        "cluster_nodes": sum(node["Alive"] for node in ray.nodes()),
        "cluster_cpus": total.get("CPU", 0),
        "cluster_gpus": total.get("GPU", 0),
        "cluster_memory_gib": round(total.get("memory", 0) / 2**30, 1),
        "accelerators": sorted(key.split(":", 1)[1] for key in total if key.startswith("accelerator_type:")),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
