"""A Slurm cluster on this machine: a real controller, and real daemons that each pretend to be a node."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration.clustered import free_port

COMMANDS = ("slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm.sh"


def missing() -> list[str]:
    """Slurm's programs that are not installed."""
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in COMMANDS if shutil.which(name, path=search) is None]


@dataclass(frozen=True)
class Slurm:
    """A cluster that runs, and how to use it; `environment` has what its commands need."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str) -> str:
        """The output of a command; its error as an AssertionError."""
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, *arguments: str) -> str:
        """Submits the study script, whose options for Slurm come first; the job's number."""
        options = [argument for argument in arguments if argument.startswith("--slurm:")]
        rest = [argument for argument in arguments if argument not in options]
        named = [f"--{option.removeprefix('--slurm:')}" for option in options]
        return self.run("sbatch", "--parsable", "--cpus-per-task=1", "--requeue", *named, str(SCRIPT), *rest)

    def job(self, number: str) -> dict[str, str]:
        """What Slurm says of a job."""
        told = self.run("scontrol", "show", "job", number)
        return dict(part.split("=", 1) for part in told.split() if "=" in part)

    def ended(self, number: str, seconds: float = 500) -> dict[str, str]:
        """What Slurm says of a job once it has ended."""
        deadline = time.monotonic() + seconds
        while (job := self.job(number))["JobState"] in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
            assert time.monotonic() < deadline, f"{job}\n{self.log(number)}"
            time.sleep(1)
        return job

    def log(self, number: str) -> str:
        """What a job has printed."""
        return (self.folder / f"hypertune-{number}.log").read_text(errors="replace")


@contextlib.contextmanager
def slurm(folder: Path, nodes: int = 3) -> Iterator[Slurm]:
    """A cluster of so many nodes of two CPUs each, in a folder; its daemons end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("state", *(f"n{number}" for number in range(1, nodes + 1))):
        (folder / name).mkdir()
    lines = [CONFIG.format(folder=folder, host=socket.gethostname(), user=getpass.getuser(), port=free_port())]
    lines += [
        f"NodeName=n{number} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={free_port()} CPUs=2"
        for number in range(1, nodes + 1)
    ]
    config = folder / "slurm.conf"
    config.write_text("\n".join([*lines, "PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP", ""]))
    environment = {
        **os.environ,
        "SLURM_CONF": str(config),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HYPERTUNE_STATE": str(folder / "tokens"),
    }
    commands = [["slurmctld", "-D", "-i"], *(["slurmd", "-D", "-N", f"n{number}"] for number in range(1, nodes + 1))]
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"daemon-{number}.log").open("w"))
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        cluster = Slurm(folder, environment)
        deadline = time.monotonic() + 100
        while "idle" not in _told(cluster) or "down" in _told(cluster) or "unk" in _told(cluster):
            assert time.monotonic() < deadline, (folder / "daemon-0.log").read_text()
            time.sleep(0.5)
        yield cluster


def _told(cluster: Slurm) -> str:
    done = subprocess.run(
        ["sinfo", "-h", "-o", "%T"], env=cluster.environment, capture_output=True, text=True, check=False
    )
    return done.stdout


CONFIG = """ClusterName=hypertune
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0"""
