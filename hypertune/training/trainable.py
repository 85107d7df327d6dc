"""The trainables that Ray Tune runs: the training loop, one epoch per step.

The process that drives a study imports this module too, and never trains: torch, whose import takes seconds, is
imported where it is used.
"""

from __future__ import annotations

import gc
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ray.tune import Trainable
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from hypertune.training.datasets import ImageData
from hypertune.training.hyperparameters import RESERVED, read_hyperparameters

if TYPE_CHECKING:
    from hypertune.training.loop import TrainingLoop

SAVE_EVERY_S = 30.0
"""Seconds of training that a failure may cost at most, apart from the epoch under way."""


class ImageTrainable(Trainable):
    """Trains an image classifier; subclasses say of which kind.

    The data set comes as `tune.with_parameters(CNN, data=load_dataset("digits"))`. A configuration has the
    hyperparameters, flat, and under the key `hypertune` a dict in which everything may be left out:

    - `seed` (int, 0): of weights, order of the images and dropout;
    - `max_epochs` (int, 10): the horizon of the learning rate schedule, and where training is done;
    - `steps_per_epoch` (int or None): batches of an epoch; by default one pass over the training data;
    - `stop_epoch` (int, `max_epochs`): done earlier, as a retraining is that repeats a trial up to its best epoch;
    - `test` (bool, False): the last result also has `test_loss` and `test_accuracy`;
    - `threads` (int or None): threads of the processor;
    - `schedule` (list of `[epoch, configuration]`): from that epoch on these hyperparameters, to train as a winner of
      population based training was;
    - `model_path` (str or None): the last epoch writes the model there, unless it diverged; see `load_model`.

    A result has the loop's metrics, `epoch` (from 1), `elapsed_s` (seconds spent training and validating), both going
    on over a restore, `device`, `parameters` (number of weights), and `done` after the last epoch or when the training
    loss is no longer finite.
    """

    kind: ClassVar[str]
    needs_data: ClassVar[bool] = True
    loop: TrainingLoop
    _data: ImageData
    _elapsed_s: float
    _unsaved_s: float
    """Seconds of training that a failure now would cost."""

    @classmethod
    def check_config(cls, config: dict[str, Any]) -> None:
        """Checks hyperparameters before anything is started.

        Raises:
            ValueError: if one is unknown or not allowed.
        """
        read_hyperparameters(cls.kind, config)

    def setup(self, config: dict[str, Any], data: ImageData | None = None) -> None:
        """Makes the loop.

        Raises:
            ValueError: if there is no data set, or a hyperparameter is not allowed.
        """
        if data is None:
            name = type(self).__name__
            raise ValueError(f"{name} got no data set; use tune.with_parameters({name}, data=load_dataset(...))")
        self._data = data
        self._begin(config)

    def warm_up(self, data: ImageData | None = None) -> None:
        """Pays in advance for what the first trial of a process would: torch's late imports, the data on the device."""
        from hypertune.training.loop import TrainingLoop

        if data is not None:
            TrainingLoop(self.kind, {}, data)

    def step(self) -> dict[str, Any]:
        """Trains one epoch."""
        start = time.perf_counter()
        if self.loop.epoch + 1 in self._schedule:
            self.loop.change(self._schedule[self.loop.epoch + 1])
        result: dict[str, Any] = dict(self.loop.train_epoch())
        spent = time.perf_counter() - start
        self._elapsed_s += spent
        self._unsaved_s += spent
        result |= {
            "epoch": self.loop.epoch,
            "elapsed_s": self._elapsed_s,
            "device": self.loop.device.type,
            "parameters": self.loop.parameters,
        }
        diverged = not math.isfinite(result["train_loss"])
        result[DONE] = diverged or self.loop.epoch >= self._stop_epoch
        if result[DONE]:
            result |= self._finish(diverged)
        if self._unsaved_s > SAVE_EVERY_S:
            result[SHOULD_CHECKPOINT] = True
        return result

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another trial in this process, as if in a fresh one."""
        self._free()
        self._begin(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes what `load_checkpoint` needs to go on with the same numbers."""
        import torch

        state = {"loop": self.loop.state_dict(), "elapsed_s": self._elapsed_s}
        torch.save(state, Path(checkpoint_dir, "trial.pt"))
        self._unsaved_s = 0.0

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Goes on where `save_checkpoint` was called; `checkpoint` is its folder."""
        import torch

        state = torch.load(Path(checkpoint, "trial.pt"), map_location=self.loop.device, weights_only=True)
        self.loop.load_state_dict(state["loop"])
        self._elapsed_s = state["elapsed_s"]
        self._unsaved_s = 0.0

    def cleanup(self) -> None:
        """Frees the model."""
        self._free()

    def _begin(self, config: dict[str, Any]) -> None:
        from hypertune.training.loop import TrainingLoop

        told = config.get(RESERVED, {})
        self._test: bool = told.get("test", False)
        self._model_path: str | None = told.get("model_path")
        self._elapsed_s = self._unsaved_s = 0.0
        self._schedule = {epoch: {**config, **changes} for epoch, changes in told.get("schedule", [])}
        max_epochs = told.get("max_epochs", 10)
        self._stop_epoch: int = told.get("stop_epoch", max_epochs)
        self.loop = TrainingLoop(
            self.kind,
            config,
            self._data,
            seed=told.get("seed", 0),
            max_epochs=max_epochs,
            steps_per_epoch=told.get("steps_per_epoch"),
            threads=told.get("threads"),
        )

    def _finish(self, diverged: bool) -> dict[str, float]:
        if self._model_path is not None and not diverged:
            from hypertune.training.models import save_model

            save_model(self._model_path, self.loop)
        return self.loop.evaluate("test") if self._test else {}

    def _free(self) -> None:
        on_cuda = hasattr(self, "loop") and self.loop.device.type == "cuda"
        self.__dict__.pop("loop", None)
        if on_cuda:
            import torch

            gc.collect()
            torch.cuda.empty_cache()


class CNN(ImageTrainable):
    """The convolutional network."""

    kind = "cnn"


class MLP(ImageTrainable):
    """The dense network."""

    kind = "mlp"
