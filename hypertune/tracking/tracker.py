"""Logs of every trial besides the records: configurations as TOML, TensorBoard logs, MLflow runs.

The study's table `[logging]` enables each. They receive the same events as the journal, so that they contain the trials
of every strategy and design, before and after a resume, but neither warm-up trials nor epochs that are trained again
after a lost worker.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

from hypertune.installed import install_hint, requirements_of
from hypertune.records.records import Book, Event
from hypertune.study.study import Study
from hypertune.tracking.facts import Facts, Sink

NEEDS = {"tensorboard": "tensorboardX", "mlflow": "mlflow"}
"""Switch to the module that it imports; if an extra has the switch's name, it installs that module."""


def check(study: Study) -> None:
    """Checks that the packages for the study's switches are installed.

    Raises:
        ValueError: naming the switch and what to install.
    """
    for switch, module in NEEDS.items():
        if getattr(study.logging, switch) and importlib.util.find_spec(module) is None:
            remedy = install_hint(switch) if requirements_of(switch) else f"pip install {module}"
            raise ValueError(f"logging.{switch}: needs a package that is not installed: {remedy}")


class Tracker:
    """Passes every event to the sinks that the study has enabled.

    A sink that fails is disabled with a warning: only the records must not be lost.
    """

    def __init__(self, study: Study, out: Path, book: Book) -> None:
        self._sinks = _sinks(Facts(study, book), out)

    def __call__(self, event: Event) -> None:
        if not self._sinks:
            return
        kind, trial_id = event["event"], event.get("trial_id", "")
        if kind == "trial":
            self._tell("begin", trial_id)
        elif kind == "epoch":
            self._tell("epoch", trial_id, event["epoch"], event["metrics"])
        elif kind == "end":
            self._tell("end", trial_id, event["status"])

    def close(self) -> None:
        """Writes pending values and closes the sinks."""
        self._tell("close")

    def _tell(self, what: str, *facts: Any) -> None:
        for name, sink in list(self._sinks.items()):
            try:
                getattr(sink, what)(*facts)
            except Exception as error:  # noqa: BLE001 -- whatever a third party's library raises must not end the study
                del self._sinks[name]
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                warnings.warn(f"logging.{name}: disabled, since it failed ({reason})", RuntimeWarning, stacklevel=3)


def _sinks(facts: Facts, out: Path) -> dict[str, Sink]:
    sinks: dict[str, Sink] = {}
    if facts.study.logging.configs:
        from hypertune.tracking.configs import ConfigFiles

        sinks["configs"] = ConfigFiles(facts, out / "configs")
    if facts.study.logging.tensorboard:
        from hypertune.tracking.tensorboard import TensorBoard

        sinks["tensorboard"] = TensorBoard(facts, out / "tensorboard")
    if facts.study.logging.mlflow:
        from hypertune.tracking.mlflow import MLflow

        sinks["mlflow"] = MLflow(facts, out)
    return sinks
