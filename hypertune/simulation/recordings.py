"""Reads and checks recorded learning curves: the long-form table as arrays.

One row per recording and epoch: `epoch` (1, 2, ...), the reported metrics, `elapsed_s` (training seconds of the
recording so far) and the configuration in `config/<name>`. A recording is identified by `trial_id` or `config_id`.
Several recordings of a configuration, distinguished by an optional column `seed`, represent training noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hypertune.simulation.columns import check_columns, in_order, metric_names, searched_names
from hypertune.simulation.configurations import read_configs
from hypertune.simulation.published import read_json
from hypertune.simulation.yahpo import ENDING, read_onnx
from hypertune.space.space import Config
from hypertune.study.divergence import finite_ones
from hypertune.study.study import Study

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recordings:
    """R recordings of K configurations over at most E = `max_epochs` epochs.

    Attributes:
        source: the file.
        configs: the K distinct configurations.
        config_of: index of each recording's configuration, shape (R,).
        seeds: the training seed of each recording, or its number if the file has none, shape (R,).
        strategies: the strategy of each recording, "" if the file does not say, length R.
        names: the M metrics, in the file's order.
        values: metrics, shape (R, E, M); NaN beyond a recording's end.
        seconds: training seconds of each epoch, shape (R, E); NaN beyond a recording's end.
        lengths: epochs recorded, shape (R,).
        diverges: whether the metric or a loss is not finite from some epoch on, shape (R,).
        left_out: number of recordings left out, by reason; empty if none.
    """

    source: str
    configs: list[Config]
    config_of: Integers
    seeds: Integers
    strategies: tuple[str, ...]
    names: tuple[str, ...]
    values: Floats
    seconds: Floats
    lengths: Integers
    diverges: NDArray[np.bool_]
    left_out: Mapping[str, int]

    @property
    def full(self) -> NDArray[np.bool_]:
        """Which recordings have all epochs, shape (R,)."""
        full: NDArray[np.bool_] = (self.lengths == self.values.shape[1]) & ~self.diverges
        return full

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which recordings have all epochs or end in a divergence, shape (R,)."""
        return self.full | self.diverges


def read(path: Path, study: Study, *, epoch_s: float | None = None) -> Recordings:
    """Reads recorded curves for simulating a study.

    Args:
        path: a Parquet file, the output folder of a study, a published table in JSON, `FILE.json` or
            `FILE.json#DATASET`, or a surrogate of YAHPO Gym, `lcbench/FILE.onnx#TASK`.
        epoch_s: seconds per epoch, instead of the recorded ones.

    Raises:
        ValueError: one line naming the file, the column or recording, and the remedy.
    """
    file, _, dataset = str(path).partition("#")
    if file.endswith(".json"):
        return from_frame(read_json(Path(file), dataset or None), study, source=str(path), epoch_s=epoch_s)
    if file.endswith(ENDING):
        return from_frame(read_onnx(Path(file), dataset or None, study), study, source=str(path), epoch_s=epoch_s)
    path = path / "curves.parquet" if path.is_dir() else path
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ValueError(f"--curves {path}: cannot be read as a Parquet table ({reason})") from None
    return from_frame(frame, study, source=str(path), epoch_s=epoch_s)


def from_frame(frame: pd.DataFrame, study: Study, *, source: str, epoch_s: float | None = None) -> Recordings:
    """`read` for a table in memory; `source` names it in messages."""
    check_columns(frame, study, source, seconds_given=epoch_s is not None)
    frame = in_order(frame, source)
    names = metric_names(frame)
    frame = frame[frame["epoch"] <= study.training.max_epochs]
    firsts = frame.drop_duplicates("recording")
    configs, config_of, left_out = read_configs(firsts, study, source)
    kept = config_of >= 0
    frame = frame[kept[frame["recording"]]]
    at = (np.cumsum(frame["epoch"].to_numpy() == 1) - 1, frame["epoch"].to_numpy() - 1)
    shape = (int(kept.sum()), study.training.max_epochs)
    values = np.full((*shape, len(names)), np.nan)
    values[at] = frame[list(names)].to_numpy(dtype=np.float64)
    lengths = np.bincount(at[0], minlength=shape[0])
    recordings = Recordings(
        source=source,
        configs=configs,
        config_of=config_of[kept],
        seeds=_seeds(firsts[kept]),
        strategies=tuple(firsts[kept]["strategy"].astype(str)) if "strategy" in firsts else ("",) * shape[0],
        names=names,
        values=values,
        seconds=_seconds(frame, at, shape, source, epoch_s),
        lengths=lengths,
        diverges=_diverges(values, names, study, frame, source),
        left_out=left_out,
    )
    _check_complete(recordings, study)
    return recordings


def _seeds(firsts: pd.DataFrame) -> Integers:
    if "seed" in firsts and pd.api.types.is_integer_dtype(firsts["seed"]):
        return firsts["seed"].to_numpy(dtype=np.int64)
    return np.arange(len(firsts), dtype=np.int64)


def _seconds(
    frame: pd.DataFrame, at: tuple[Integers, Integers], shape: tuple[int, int], source: str, epoch_s: float | None
) -> Floats:
    """Seconds of each epoch, shape (R, E), from the seconds so far."""
    seconds = np.full(shape, np.nan)
    if epoch_s is not None:
        seconds[at] = epoch_s
        return seconds
    seconds[at] = frame["elapsed_s"].to_numpy(dtype=np.float64)
    seconds = np.diff(seconds, axis=1, prepend=0.0)
    bad = np.flatnonzero(~((seconds[at] >= 0) & np.isfinite(seconds[at])))
    if bad.size:
        row = frame.iloc[bad[0]]
        fault = "runs backwards" if np.isfinite(row["elapsed_s"]) else "is missing or not finite"
        raise ValueError(
            f"{source}: {row['called']}: elapsed_s {fault} at epoch {row['epoch']} ({bad.size} row(s) in all); "
            f"fix the file, or give --epoch-seconds 1 to charge every epoch the same"
        )
    return seconds


def _diverges(
    values: Floats, names: tuple[str, ...], study: Study, frame: pd.DataFrame, source: str
) -> NDArray[np.bool_]:
    """Which recordings diverge as a sweep would see it, from some epoch on."""
    watched = finite_ones(study, searched_names(names, study.metric))
    lost = ~np.isfinite(frame[watched].to_numpy(dtype=np.float64)).all(axis=1)
    recording = np.cumsum(frame["epoch"].to_numpy() == 1) - 1
    # A number after a missing one is a gap in the table, which would look like a divergence.
    gap = np.flatnonzero(lost[:-1] & ~lost[1:] & (recording[:-1] == recording[1:]))
    if gap.size:
        row = frame.iloc[gap[0]]
        missing = [name for name in watched if not np.isfinite(row[name])]
        raise ValueError(
            f"{source}: {row['called']}: {' and '.join(missing)} is missing or not finite at epoch {row['epoch']} "
            f"but not after it; fill the gap or remove the recording"
        )
    return np.bincount(recording[lost], minlength=len(values)) > 0


def _check_complete(recordings: Recordings, study: Study) -> None:
    if not recordings.complete.any():
        longest = int(recordings.lengths.max())
        raise ValueError(
            f"{recordings.source}: no recording reaches training.max_epochs = {study.training.max_epochs}, the longest "
            f"has {longest} epochs; give --max-epochs {longest}, or record a study of random search"
        )
