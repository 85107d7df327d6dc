"""Saves and loads trained models."""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hypertune.storage.storage import Place, Storage, is_url, split_url
from hypertune.training.networks import build_model, fill

if TYPE_CHECKING:
    from hypertune.training.loop import TrainingLoop

FORMAT = 1
"""Version of the format of a model file."""


class SavedModel(nn.Module):
    """A trained model with its normalisation: takes raw images, as in the data set.

    Attributes:
        classes: class names in the order of the logits.
        kind, config: the kind of model and the configuration that it was built from.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, saved: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind: str = saved["kind"]
        self.config: dict[str, Any] = saved["config"]
        self.classes: tuple[str, ...] = tuple(saved["classes"])
        self.model = build_model(self.kind, self.config, tuple(saved["image_shape"]), len(self.classes))
        fill(self.model, saved["state_dict"])
        self.register_buffer("mean", saved["mean"])
        self.register_buffer("scale", saved["scale"])

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, height, width], uint8 or float, with values 0 to 255."""
        logits: Tensor = self.model((images.to(self.mean.dtype) - self.mean) * self.scale)
        return logits


def save_model(path: Place, loop: TrainingLoop) -> None:
    """Writes the loop's model to `path` or to a URL on shared storage, in full or not at all.

    The file is a dict of plain values and tensors, which `torch.load(path, weights_only=True)` can read.
    """
    if is_url(path):
        return _upload(str(path), loop)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save(_contents(loop), file)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return None


def _upload(url: str, loop: TrainingLoop) -> None:
    buffer = io.BytesIO()
    torch.save(_contents(loop), buffer)
    folder, name = split_url(url)
    Storage(folder).write(name, buffer.getvalue())


def _opened(path: Place) -> Path | io.BytesIO:
    if not is_url(path):
        return Path(path)
    folder, name = split_url(str(path))
    content = Storage(folder).read(name)
    if content is None:
        raise FileNotFoundError
    return io.BytesIO(content)


def load_model(path: Place) -> SavedModel:
    """Loads a model from a path or URL onto the CPU; `load_model(path)(images)` predicts.

    No code in the file is executed, so untrusted files are safe.

    Raises:
        ValueError: if the file is missing or was not written by `save_model`.
    """
    try:
        saved = torch.load(_opened(path), map_location="cpu", weights_only=True)
        if saved["format"] != FORMAT:
            raise ValueError(f"{path}: has format {saved['format']}, this version reads format {FORMAT}")
        return SavedModel(saved).eval()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give the model.pt that a study wrote") from None
    except (
        OSError, RuntimeError, EOFError, LookupError, AttributeError, TypeError, pickle.UnpicklingError
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: not a model that hypertune saved ({reason})") from error


def _contents(loop: TrainingLoop) -> dict[str, Any]:
    constants = loop.images
    return {
        "format": FORMAT,
        "kind": loop.kind,
        "config": asdict(loop.hyperparameters),
        "image_shape": tuple(loop.data.images.shape[1:]),
        "classes": loop.data.classes,
        "mean": constants.mean.cpu(),
        "scale": constants.scale.cpu(),
        # Copies, since the loop's parameters are views of one tensor.
        "state_dict": {name: value.cpu().clone() for name, value in loop.model.state_dict().items()},
    }
