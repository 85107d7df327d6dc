"""The output folder of a simulation: as of a real study, with the simulation's settings in its provenance."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from hypertune.records.provenance import machine, software, write_provenance
from hypertune.records.records import Records
from hypertune.records.sheets import to_csv
from hypertune.simulation.recordings import Recordings
from hypertune.simulation.runner import Setting
from hypertune.storage.files import STUDY, now, write_atomically
from hypertune.strategies.checks import notes


def check_free(out: Path) -> None:
    """Checks that the folder is empty.

    Raises:
        ValueError: naming the folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out {out}: already holds files; choose another folder")


def provenance_of(setting: Setting, recordings: Recordings) -> dict[str, Any]:
    """The facts needed to repeat and to judge the simulation."""
    return {
        **software(),
        "hardware": machine(),
        "seeds": list(setting.study.seeds),
        "started_at": now(),
        "ended_at": None,
        **notes(setting.study),
        "simulation": {
            "time": "virtual: seconds of the simulated cluster, which begins at 1970-01-01",
            "curves": recordings.source,
            "curves_sha256": _digest(Path(recordings.source.partition("#")[0])),
            "recordings": len(recordings.seeds),
            "configurations": len(recordings.configs),
            "left_out": dict(recordings.left_out),
            **setting.source.description(),
            "costs": setting.costs.to_dict(),
        },
    }


def write_folder(out: Path, facts: Records) -> None:
    """Writes all files that `hypertune report` and `hypertune export` read."""
    write_atomically(out / STUDY, facts.study.to_toml())
    write_atomically(out / "trials.csv", to_csv(facts.trials))
    buffer = io.BytesIO()
    facts.curves.to_parquet(buffer, index=False)
    write_atomically(out / "curves.parquet", buffer.getvalue())
    write_provenance(out, facts.provenance, facts)


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
