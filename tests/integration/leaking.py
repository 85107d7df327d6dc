"""A study one of whose trials leaks memory until Ray kills it: `python -m tests.integration.leaking OUT`.

A process of its own, since Ray reads its limits as it starts. The limit is a little above what the machine uses.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from ray import tune

from tests.integration import trainables
from tests.integration.test_faults import run

ALLOWED = 2 << 30
"""Bytes that may be used in addition."""
PIECE = 50_000_000
MOST = 8 << 30
"""Nobody has stopped it."""


def leaking(config: dict[str, Any]) -> None:
    """In its second epoch a wide trial takes all the memory it can get."""
    kept: list[bytes] = []
    for step in range(1, 10):
        while step == 2 and config["width"] > 4:
            kept.append(b"x" * PIECE)
            if len(kept) * PIECE > MOST:
                raise AssertionError("was not killed")
            time.sleep(0.05)
        tune.report({"score": trainables.score(config, step)})


def limit() -> float:
    """The share of the memory at which Ray is to kill."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    kib = {name.rstrip(":"): int(number) for name, number, *_ in lines}
    total = kib["MemTotal"] * 1024
    return 1 - (kib["MemAvailable"] * 1024 - ALLOWED) / total


if __name__ == "__main__":
    os.environ |= {"RAY_memory_usage_threshold": f"{limit():.4f}", "RAY_memory_monitor_refresh_ms": "100"}
    run(Path(sys.argv[1]), leaking, strategies=["random"], budget={"trials": 4})
