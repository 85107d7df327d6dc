"""Run as a process of its own, whose Ray dies: `python -m tests.integration.revived OUT`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil

from hypertune.storage.files import JOURNAL
from tests.integration.killed import main


def kill_control_service(out: Path) -> None:
    """Once ten epochs are in the journal."""
    journal = out / JOURNAL
    while not (journal.exists() and journal.read_bytes().count(b'"event": "epoch"') >= 10):
        time.sleep(0.05)
    for process in psutil.Process().children():
        if process.name() == "gcs_server":
            process.kill()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    threading.Thread(target=kill_control_service, args=(folder,)).start()
    assert main(folder, resume=False) == 130
    time.sleep(65)  # Ray's client would end the process after 60
    sys.exit(main(folder, resume=True))
