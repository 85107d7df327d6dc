"""The tables of a study file as checked structures, and plain error messages for a wrong one."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hypertune.space.domains import LARGEST
from hypertune.space.values import from_toml, to_toml
from hypertune.study.design import Design
from hypertune.study.warm_start import WarmStart

Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Amount = Annotated[float, Meta(gt=0, le=LARGEST)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
EXACT = 2**53
"""Below it, whole floats are exactly the numbers that they look like."""
MOST_SEEDS = 100_000
MOST_PER_GPU = 1000
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
"""Names and values of a node's labels, less what Ray takes for operators."""


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each sweep may spend, in exactly one of the three units."""

    epochs: Positive | None = None
    """Training epochs, summed over the trials."""
    trials: Positive | None = None
    """Configurations tried."""
    seconds: Amount | None = None
    """Wall-clock seconds of the sweep."""

    def __post_init__(self) -> None:
        if sum(amount is not None for amount in (self.epochs, self.trials, self.seconds)) != 1:
            raise ValueError("give exactly one of epochs, trials and seconds, e.g. { epochs = 200 }")

    @property
    def unit(self) -> Literal["epochs", "trials", "seconds"]:
        return "epochs" if self.epochs else "trials" if self.trials else "seconds"

    @property
    def amount(self) -> float:
        return self.epochs or self.trials or self.seconds or 0

    def __str__(self) -> str:
        amount = self.amount
        return f"{int(amount) if amount == int(amount) < EXACT else amount:,} {self.unit}"


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is trained, on which data, for how long."""

    trainable: str
    """Built in: `cnn`, `mlp`; or `package.module:attribute`, any Ray Tune trainable."""
    dataset: str | None = None
    """`digits`, `fashion_mnist`, `mnist`, `cifar10`, `npz`, `image_folder`, a plugin's; None for your own trainable."""
    path: str | None = None
    """The file of `npz`, or the folder of `image_folder`."""
    classes: list[str] | None = None
    """Keep only these classes, in this order."""
    image_size: Positive | Annotated[list[Positive], Meta(min_length=2, max_length=2)] | None = None
    """Resize all images to this many pixels: one number for squares, or `[height, width]`. An image is scaled to cover
    that size, keeping its aspect ratio, and cropped at the centre. By default all images must have the same size."""
    channels: Literal[1, 3] | None = None
    """1 makes all images grey, 3 gives them three channels. By default all must be grey or all in colour."""
    validation_fraction: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    """Share of the training data held out for validation, if the data set has no validation split."""
    test_fraction: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """Share of the data held out for testing; allowed only if the data set has no test split, by default 0.2."""
    split_seed: Seed = 0
    """Seed of both splits; the same for all sweeps, so that they are judged on the same images."""
    max_epochs: Positive = 10
    """Epochs of a full training."""
    time_attr: str | None = None
    """The number reported by your own trainable that says how far it is, as in Ray Tune's schedulers; without, each
    report is one epoch."""
    steps_per_epoch: Positive | None = None
    """Batches per epoch of the built-in models; by default one pass over the training data."""
    config: dict[str, Any] = {}
    """Constants handed to every trial."""


class Resources(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one trial occupies on the cluster."""

    cpus_per_trial: Annotated[float, Meta(ge=0)] = 1
    gpus_per_trial: Annotated[float, Meta(ge=0)] = 0
    trials_per_gpu: Annotated[int, Meta(ge=0, le=MOST_PER_GPU)] | Literal["auto"] = "auto"
    """How many trials of a built-in model, or of your own `Population`, are trained together on each GPU; 0 to train
    each by itself on CPUs. By default a quarter of what the budget trains to the end, where the cluster has a GPU."""
    epoch_timeout_s: Amount | None = None
    """A trial that reports nothing for this many seconds is hung: its worker is killed and the trial retried twice."""
    max_workers: Positive | None = None
    """Trials that may run at the same time; by default as many as the cluster has room for and the budget trains to the
    end. A cluster that grows is asked for this many."""
    node_labels: dict[str, str] = {}
    """Labels that a node must have for a trial to run there, so that a study keeps to a part of a cluster."""

    def __post_init__(self) -> None:
        if not self.cpus_per_trial and not self.gpus_per_trial:
            raise ValueError("a trial needs a CPU or a GPU; set cpus_per_trial or gpus_per_trial above 0")
        if self.gpus_per_trial and self.trials_per_gpu not in ("auto", 0):
            raise ValueError("gpus_per_trial gives each trial GPUs of its own, trials_per_gpu shares them; set one")
        for label, value in self.node_labels.items():
            if not (LABEL.fullmatch(label) and LABEL.fullmatch(value)):
                raise ValueError(
                    f"node_labels: letters, digits, '.', '_', '-' and '/' only, as `ray start --labels` has them, "
                    f"got {label} = {value!r}"
                )


class Logging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is logged of every trial besides the records."""

    configs: bool = False
    """`configs/TRIAL.toml`: its configuration with its time stamps."""
    tensorboard: bool = False
    """`tensorboard/TRIAL`: its curves for TensorBoard."""
    mlflow: bool = False
    """`mlflow.db`: a run in MLflow's SQLite store."""


class StudyTable(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table `[study]`."""

    name: str
    strategies: Annotated[list[str], Meta(min_length=1)] | None = None
    seeds: (
        Annotated[int, Meta(ge=1, le=MOST_SEEDS)] | Annotated[list[Seed], Meta(min_length=1)] | Literal["until decided"]
    ) = 1
    max_seeds: Annotated[int, Meta(ge=3, le=MOST_SEEDS)] | None = None
    max_seconds: Amount | None = None
    margin: Annotated[float, Meta(ge=0, le=LARGEST)] | None = None
    budget: Budget | None = None
    metric: str
    mode: Literal["min", "max"]
    retrain: Annotated[int, Meta(ge=0)] = 3
    give_up_after: Annotated[int, Meta(ge=0)] = 10
    hypotheses: list[str] = []


class StudyFile(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A study file."""

    study: StudyTable
    training: Training
    space: dict[str, Any]
    design: Design | None = None
    resources: Resources = Resources()
    logging: Logging = Logging()
    strategies: dict[str, dict[str, Any]] = {}
    prior: dict[str, Any] = {}
    warm_start: WarmStart | None = None


def convert(tables: dict[str, Any]) -> StudyFile:
    """The tables of a study file, checked.

    Raises:
        ValueError: one line that names the key and the remedy.
    """
    options = tables.get("strategies")
    for name, own in options.items() if isinstance(options, dict) else ():
        if not isinstance(own, dict):
            raise ValueError(f"strategies.{name}: a table of options, [strategies.{name}], got {own!r:.60}")
    try:
        file = msgspec.convert(tables, StudyFile)
    except msgspec.ValidationError as error:
        raise ValueError(explain(str(error))) from None
    except OverflowError:
        raise ValueError("study file: a number has more digits than any that can be meant") from None
    for key in ("strategies", "budget"):
        given = getattr(file.study, key) is not None
        if file.design is None and not given:
            raise ValueError(f"study.{key}: this key is missing")
        if file.design is not None and given:
            raise ValueError(f"study.{key}: not allowed with a [design], which runs each cell in full; leave it out")
    return file


_TABLES: dict[str, tuple[str, ...]] = {
    "": StudyFile.__struct_fields__,
    "study": StudyTable.__struct_fields__,
    "study.budget": Budget.__struct_fields__,
    "training": Training.__struct_fields__,
    "design": Design.__struct_fields__,
    "resources": Resources.__struct_fields__,
    "logging": Logging.__struct_fields__,
    "warm_start": WarmStart.__struct_fields__,
}


ENUMS = {
    "study.mode": "`min` or `max`",
    "study.seeds": 'a whole number, a list of them, or "until decided"',
    "resources.trials_per_gpu": 'a whole number or "auto"',
}
"""What a key that takes certain words may be."""


def explain(message: str) -> str:
    """Turns msgspec's message into `key: what is wrong`; lists the known keys for an unknown one."""
    # A key may be any text, but the message must stay on one line.
    message = re.sub(r"[\x00-\x1f\x7f]", lambda control: repr(control[0])[1:-1], message)
    text, _, path = message.partition(" - at `$")
    key = path.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.*)`", text)
    if unknown:
        known = _TABLES.get(key, ())
        close = difflib.get_close_matches(unknown[1], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
        return f"{'.'.join(filter(None, (key, unknown[1])))}: unknown key; {hint}"
    choice = re.fullmatch(r"Invalid enum value '(.*)'", text)
    if choice and key in ENUMS:
        text = f"expected {ENUMS[key]}, got {choice[1]!r}"
    missing = re.search(r"missing required field `(.*)`", text)
    if missing:
        kind = "table" if not key else "key"
        return f"{'.'.join(filter(None, (key, missing[1])))}: this {kind} is missing"
    return f"{key or 'study file'}: {text[0].lower()}{text[1:]}"


def read_values(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables with what `to_toml` has spelled as the values that it stands for; the space reads its own."""
    read = {}
    for name, keys in (("training", ("config",)), ("design", ("baseline",)), ("strategies", ()), ("prior", ())):
        table = tables.get(name)
        if isinstance(table, dict):
            try:
                read[name] = {k: from_toml(v) if not keys or k in keys else v for k, v in table.items()}
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
    return {**tables, **read}


def spell_out(table: Struct) -> dict[str, Any]:
    values = ((name, getattr(table, name)) for name in table.__struct_fields__)
    return {name: to_toml(value) for name, value in values if value is not None}
