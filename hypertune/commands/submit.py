"""`hypertune submit`: runs a study as a job on a Ray cluster."""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hypertune.cluster.dashboard import jobs_client
from hypertune.cluster.jobs import follow, require_job
from hypertune.cluster.shipping import STUDY_FILE, Shipment, pack
from hypertune.installed import installed_version
from hypertune.records.live import JOB_NAME, STUDY, STUDY_TEXT
from hypertune.records.records import read
from hypertune.storage.printable import printable
from hypertune.storage.storage import as_place, is_url
from hypertune.study.study import NAME, Study

STOP_SECONDS = 120
"""Seconds that a stopped study has to write its tables and report before it is killed."""
DEFAULT_STUDY = "digits_cnn"


def submit(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code, with `--follow` that of the study.

    Raises:
        ValueError: for wrong input.
    """
    from hypertune.commands.exit_codes import DONE

    if arguments.dry_run and not arguments.resume:
        study, out, resumes = _new(arguments)
        return _dry_run(arguments, study, out, resumes=resumes)
    with jobs_client(arguments.address) as client:
        study, out, resumes = _resumed(arguments, client) if arguments.resume else _new(arguments)
        if arguments.dry_run:
            return _dry_run(arguments, study, out, resumes=resumes)
        shipment = pack(study, arguments.working_dir, include=arguments.include or ())
        job_id = arguments.name or _job_id(study)
        if any(job.submission_id == job_id for job in client.list_jobs()):
            raise ValueError(f"--name {job_id}: the cluster already has a job of that name; choose another")
        out = out or f"~/hypertune-out/{job_id}"
        job = _Job(job_id, out, _command(arguments, out, resumes=resumes), _variables(arguments.env))
        _tell(shipment, job_id)
        _send(client, study, shipment, job)
        print(
            f"{job_id} submitted to {client.get_address()}; results go to {out}\n"
            f"  hypertune logs -f {job_id}\n  hypertune fetch {job_id}\n  hypertune stop {job_id}"
        )
        return follow(client, job_id) if arguments.follow else DONE


def _dry_run(arguments: argparse.Namespace, study: Study, out: str | None, *, resumes: bool) -> int:
    """Prints what would be sent and run; asks a cluster only for the study of `--resume`."""
    from hypertune.commands.exit_codes import DONE

    shipment = pack(study, arguments.working_dir, include=arguments.include or ())
    variables = _variables(arguments.env)
    out = out or f"~/hypertune-out/{arguments.name or 'ID'}"
    print(f"would send {len(shipment.files)} files, {shipment.size / 1024:.0f} KiB:")
    ours = [name for name in shipment.files if name.startswith("hypertune/")]
    for name in sorted({*shipment.files} - {*ours}):
        print(printable(f"  {name}"))
    if ours:
        print(f"  hypertune/ ({len(ours)} files, hypertune itself)")
    if shipment.left_out:
        print("would not send:")
    for name, reason in sorted(shipment.left_out.items()):
        print(printable(f"  {name} ({reason})"))
    print(printable(f"would run: {_command(arguments, out, resumes=resumes)}"))
    if variables:
        print(printable(f"with the environment variables: {', '.join(variables)}"))
    return DONE


def _new(arguments: argparse.Namespace) -> tuple[Study, str | None, bool]:
    from hypertune.commands.options import overridden
    from hypertune.strategies.checks import check_names, check_strategies

    study = overridden(Study.load(DEFAULT_STUDY if arguments.study is None else arguments.study), arguments)
    check_names(study)
    check_strategies(study)
    return study, _checked(arguments.out), False


def _checked(out: str | None) -> str | None:
    if out is not None and not (is_url(out) or out.startswith(("/", "~/"))):
        raise ValueError(f"--out {out}: a folder on the cluster must be an absolute path, begin with ~/, or be a URL")
    return str(as_place(out)) if out is not None and is_url(out) else out


def _resumed(arguments: argparse.Namespace, client: Any) -> tuple[Study, str, bool]:
    """The study of an earlier job, or the one at a URL."""
    from hypertune.commands.options import OVERRIDES

    for name in ("study", "out", *OVERRIDES, "max_workers"):
        if getattr(arguments, name) is not None:
            flag = "STUDY" if name == "study" else f"--{name.replace('_', '-')}"
            raise ValueError(f"--resume continues the study unchanged; leave out {flag}")
    if is_url(arguments.resume):
        return read(arguments.resume).study, arguments.resume, True
    facts = require_job(client, arguments.resume).metadata
    return Study.parse(_tables(facts[STUDY_TEXT])), facts["out"], True


def _tables(text: str) -> Mapping[str, Any]:
    import tomllib

    return tomllib.loads(text)


def _job_id(study: Study) -> str:
    return f"{study.name}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def job_name(text: str) -> str:
    """Checks the name that the user gave a job.

    Raises:
        ValueError: if it cannot be part of a URL or name a folder.
    """
    if not NAME.fullmatch(text):
        raise ValueError(f"letters, digits, '.', '_' and '-' only, got {text!r}")
    return text


def _command(arguments: argparse.Namespace, out: str, *, resumes: bool) -> str:
    """The job's command line; `exec`, so that stopping the job signals Python and not the shell."""
    what = ["--resume", out] if resumes else [STUDY_FILE, "--out", out]
    data = ["--data-dir", arguments.data_dir] if arguments.data_dir else []
    return "exec " + shlex.join(["python", "-m", "hypertune", "compare", *what, *data, "--address", "auto"])


def _variables(given: Iterable[str] | None) -> dict[str, str]:
    """Environment variables for the job, from `NAME=VALUE` or from `NAME` with its local value."""
    variables = {}
    for text in given or ():
        name, has_value, value = text.partition("=")
        if not has_value and name not in os.environ:
            raise ValueError(f"--env {name}: not set on this machine; set it, or give {name}=VALUE")
        variables[name] = value if has_value else os.environ[name]
    return variables


@dataclass(frozen=True, slots=True)
class _Job:
    """A job to submit: its id, its output folder, its command line and its environment variables."""

    id: str
    out: str
    command: str
    variables: Mapping[str, str]


def _send(client: Any, study: Study, shipment: Shipment, job: _Job) -> None:
    with tempfile.TemporaryDirectory(prefix="hypertune-job-") as folder:
        shipment.write(Path(folder))
        client.submit_job(
            entrypoint=job.command,
            submission_id=job.id,
            runtime_env={
                "working_dir": folder,
                "env_vars": {
                    **job.variables,
                    # Like one Ctrl-C, with time to finish: the study stops cleanly and can be resumed.
                    "RAY_JOB_STOP_SIGNAL": "SIGINT",
                    "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
                    "PYTHONUNBUFFERED": "1",
                },
            },
            metadata=_metadata(study, job.id, job.out),
        )


def _metadata(study: Study, job_id: str, out: str) -> dict[str, str]:
    """The facts of a job that the dashboard and `hypertune jobs` show."""
    return {
        "hypertune": installed_version(),
        STUDY: study.name,
        JOB_NAME: study.name,
        "strategies": ", ".join(study.strategies),
        "seeds": ", ".join(map(str, study.seeds)),
        "budget": f"{study.budget} per sweep",
        "metric": f"{study.metric} ({study.mode})",
        "trainable": study.training.trainable,
        "dataset": study.training.dataset or "",
        "out": out,
        "user": _user(),
        "name": job_id,
        STUDY_TEXT: study.to_toml(),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as in a container, where nobody has that number
        return str(os.getuid())


def _tell(shipment: Shipment, job_id: str) -> None:
    print(f"{job_id}: sending {len(shipment.files)} files, {shipment.size / 1024:.0f} KiB")
    told = {name: reason for name, reason in shipment.left_out.items() if reason not in ("tool", "ignored")}
    if told:
        names = [f"{name} ({reason})" for name, reason in sorted(told.items())]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        print(
            printable(
                f"not sent: {', '.join(names[:10])}{more}; submit --dry-run lists all; --include NAME sends one anyway"
            ),
            file=sys.stderr,
        )
