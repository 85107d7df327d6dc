"""`hypertune logs`: what a study on a cluster has printed, or one of its trials."""

from __future__ import annotations

import argparse

from hypertune.cluster.dashboard import jobs_client
from hypertune.cluster.fetch import read_file
from hypertune.cluster.jobs import follow, require_job
from hypertune.storage.files import log_of
from hypertune.storage.printable import printable
from hypertune.strategies.registry import is_file_name


def logs(arguments: argparse.Namespace) -> int:
    """Prints the output of a study so far, with `--follow` until the study ends; with `--trial`, that of one trial.

    Raises:
        ValueError: if there is no such study, or nothing was kept of the trial.
    """
    if arguments.trial and (arguments.follow or not is_file_name(arguments.trial)):
        told = "is printed once it has ended, not followed" if arguments.follow else "not the id of a trial"
        raise ValueError(f"--trial {arguments.trial}: {told}")
    with jobs_client(arguments.address) as client:
        job = require_job(client, arguments.id)
        if arguments.follow:
            return follow(client, job.submission_id)
        if not arguments.trial:
            print(printable(client.get_job_logs(job.submission_id)), end="")
            return 0
        kept = read_file(client, job, log_of(arguments.trial))
    if kept is None:
        raise ValueError(
            f"--trial {arguments.trial}: nothing is kept of it; it has printed nothing, has not ended, or is none of "
            f"{arguments.id}"
        )
    print(printable(kept.decode(errors="replace")), end="")
    return 0
