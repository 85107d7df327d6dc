"""What reported numbers are called in the tables of a study."""

from __future__ import annotations

REPORTED = "reported/"
"""What the names of reported numbers begin with that are called as a column is."""
COLUMNS = frozenset(
    {
        *("strategy", "seed", "trial_id", "status", "epochs", "best_epoch", "train_s", "started_at", "ended_at"),
        *("node", "device", "error", "epoch", "elapsed_s", "wall_s", "retrain_seed", "event"),
        *("best_config", "trials", "busy_s", "utilisation", "time_to_target_s", "mean_rank", "p_best", "verdict"),
        *("first_started_at", "runs", "lost", "low", "high", "sd", "seconds", "on_front", "recommended"),
        *("time to target", "mean rank", "p(best)", "wall-clock", "busy", "best configuration"),
        *("config", "schedule", "traceback", "log"),
    }
)
"""Columns of the tables, and keys of other files, that are there whatever is reported."""
CONFIG = "config/"


def column(name: str) -> str:
    """What a reported number is called in the tables: as it is, unless a column of ours is called so."""
    return f"{REPORTED}{name}" if name in COLUMNS or name.startswith(CONFIG) else name
