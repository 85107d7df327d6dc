"""The trainables that Ray Tune runs: the training loop, one epoch per step.

The driver process also imports this module but never trains. torch is therefore imported only where it is used, since
its import takes seconds.
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
from hypertune.training.remote import Places, RemoteLoop

if TYPE_CHECKING:
    from hypertune.training.fused.together import Together
    from hypertune.training.population import ImagePopulation

CHECKPOINT = "trial.pt"
SAVE_EVERY_S = 30.0
"""Maximal seconds of training that a failure may lose, apart from the current epoch."""


class ImageTrainable(Trainable):
    """Trains an image classifier; subclasses set its kind.

    Pass the data set by `tune.with_parameters(CNN, data=load_dataset("digits"))`. A configuration has the
    hyperparameters, flat, and under the key `hypertune` a dict of optional settings:

    - `seed` (int, 0): seed of the weights, the order of the images and dropout;
    - `max_epochs` (int, 10): the horizon of the learning rate schedule, and the last epoch;
    - `steps_per_epoch` (int or None): batches of an epoch; by default one pass over the training data;
    - `stop_epoch` (int, `max_epochs`): the last epoch, if earlier; a retraining stops at the trial's best epoch;
    - `test` (bool, False): the last result also has `test_loss` and `test_accuracy`;
    - `threads` (int or None): CPU threads;
    - `schedule` (list of `[epoch, configuration]`): hyperparameters to use from each epoch on, to retrain a winner of
      population based training;
    - `model_path` (str or None): the last epoch writes the model there, unless it diverged; see `load_model`.

    A result has the loop's metrics, `epoch` (from 1) and `elapsed_s` (seconds of training and validation), both
    cumulative over restores, `device`, `parameters` (number of weights), and `done` after the last epoch or when the
    training loss is no longer finite.
    """

    kind: ClassVar[str]
    needs_data: ClassVar[bool] = True
    loop: Any
    """A `TrainingLoop`, or a `RemoteLoop` of a trial in a population."""
    _data: ImageData
    _together: Together | None = None
    """On a GPU what trains the loops of this process, one after another; it keeps their captured steps."""
    _elapsed_s: float
    _unsaved_s: float
    """Seconds of training that a failure now would lose."""

    @classmethod
    def check_config(cls, config: dict[str, Any]) -> None:
        """Checks hyperparameters before anything starts.

        Raises:
            ValueError: if one is unknown or not allowed.
        """
        read_hyperparameters(cls.kind, config)

    @classmethod
    def population(
        cls, data: ImageData, *, max_epochs: int, steps_per_epoch: int | None, threads: int
    ) -> ImagePopulation:
        """What trains many trials of this class at once, on this process's GPU if it has one.

        Args:
            data: the data set.
            max_epochs, steps_per_epoch, threads: the settings of all trials.
        """
        import torch

        from hypertune.training.population import ImagePopulation

        torch.set_num_threads(threads)
        return ImagePopulation(cls.kind, data, max_epochs=max_epochs, steps_per_epoch=steps_per_epoch)

    @classmethod
    def member(cls, places: Places) -> type[ImageTrainable]:
        """The same trainable for a trial whose loop is in a population in another process.

        Args:
            places: where places there are taken.
        """
        return type(cls.__name__, (Member, cls), {"places": places})

    def setup(self, config: dict[str, Any], data: ImageData | None = None) -> None:
        """Creates the training loop.

        Raises:
            ValueError: if there is no data set, or a hyperparameter is not allowed.
        """
        if data is None:
            name = type(self).__name__
            raise ValueError(f"{name}: no data set; use tune.with_parameters({name}, data=load_dataset(...))")
        self._data = data
        self._begin(config)

    def warm_up(self, data: ImageData | None = None) -> None:
        """Does the one-time work of a process before its first trial: torch's imports, data to the device."""
        from hypertune.training.loop import TrainingLoop

        if data is not None:
            TrainingLoop(self.kind, {}, data)

    def step(self) -> dict[str, Any]:
        """Trains one epoch."""
        if self.loop.epoch + 1 in self._schedule:
            self.loop.change(self._schedule[self.loop.epoch + 1])
        metrics, spent = self._train_epoch()
        result: dict[str, Any] = dict(metrics)
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
        """Starts another trial in this process, with the same results as in a fresh one."""
        self._free()
        self._begin(new_config)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes a checkpoint from which training continues with identical numbers."""
        import torch

        state = {"loop": self.loop.state_dict(), "elapsed_s": self._elapsed_s}
        torch.save(state, Path(checkpoint_dir, CHECKPOINT))
        self._unsaved_s = 0.0

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Restores the checkpoint in the folder `checkpoint`."""
        import torch

        state = torch.load(Path(checkpoint, CHECKPOINT), map_location=self.loop.device, weights_only=True)
        self.loop.load_state_dict(state["loop"])
        self._loaded(state["elapsed_s"])

    def cleanup(self) -> None:
        """Frees the model."""
        self._free()

    def _loaded(self, elapsed_s: float) -> None:
        """Goes on after a checkpoint: with the hyperparameters of its epoch, which a state does not hold."""
        self._elapsed_s, self._unsaved_s = elapsed_s, 0.0
        begun = [epoch for epoch in self._schedule if epoch <= self.loop.epoch]
        if begun:
            self.loop.change(self._schedule[max(begun)])

    def _train_epoch(self) -> tuple[dict[str, float], float]:
        """The metrics of the next epoch, and its seconds."""
        start = time.perf_counter()
        if self.loop.device.type == "cuda":  # one captured step instead of sixty small kernels a batch
            from hypertune.training.fused.together import Together

            if self._together is None:
                self._together = Together()
            (metrics,) = self._together.train_epoch([self.loop])
        else:
            metrics = self.loop.train_epoch()
        return metrics, time.perf_counter() - start

    def _begin(self, config: dict[str, Any]) -> None:
        told = config.get(RESERVED, {})
        self._test: bool = told.get("test", False)
        self._model_path: str | None = told.get("model_path")
        self._elapsed_s = self._unsaved_s = 0.0
        self._schedule = {epoch: {**config, **changes} for epoch, changes in told.get("schedule", [])}
        max_epochs = told.get("max_epochs", 10)
        self._stop_epoch: int = told.get("stop_epoch", max_epochs)
        self.loop = self._make_loop(config, told)

    def _make_loop(self, config: dict[str, Any], told: dict[str, Any]) -> Any:
        import torch

        from hypertune.training.loop import TrainingLoop

        if told.get("threads") is not None:
            torch.set_num_threads(told["threads"])
        return TrainingLoop(
            self.kind,
            config,
            self._data,
            seed=told.get("seed", 0),
            max_epochs=told.get("max_epochs", 10),
            steps_per_epoch=told.get("steps_per_epoch"),
        )

    def _finish(self, diverged: bool) -> dict[str, float]:
        if self._model_path is not None and not diverged:
            self._save_model(self._model_path)
        return self.loop.evaluate("test") if self._test else {}

    def _save_model(self, path: str) -> None:
        from hypertune.training.models import save_model

        save_model(path, self.loop)

    def _free(self) -> None:
        on_cuda = hasattr(self, "loop") and self.loop.device.type == "cuda"
        self.__dict__.pop("loop", None)
        if on_cuda:
            import torch

            gc.collect()
            torch.cuda.empty_cache()


class Member(ImageTrainable):
    """Mixed into a trainable whose loop is in a population in another process; this one never imports torch."""

    places: ClassVar[Places]

    def setup(self, config: dict[str, Any], data: ImageData | None = None) -> None:
        """Takes a place in the population, which has the data set."""
        self._begin(config)

    def warm_up(self, data: ImageData | None = None) -> None:
        """Waits for the population."""
        self.places.ready()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes the same file as a trial alone."""
        Path(checkpoint_dir, CHECKPOINT).write_bytes(self.loop.save({"elapsed_s": self._elapsed_s}))
        self._unsaved_s = 0.0

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]
        """Restores what this method or a trial alone has written."""
        self._loaded(self.loop.load(Path(checkpoint, CHECKPOINT).read_bytes())["elapsed_s"])

    def _make_loop(self, config: dict[str, Any], told: dict[str, Any]) -> RemoteLoop:
        hyperparameters = {name: value for name, value in config.items() if name != RESERVED}
        return RemoteLoop(self.places.take(self.trial_id), hyperparameters, seed=told.get("seed", 0))

    def _train_epoch(self) -> tuple[dict[str, float], float]:
        loop: RemoteLoop = self.loop
        return loop.train_epoch(last=loop.epoch + 1 >= self._stop_epoch)

    def _save_model(self, path: str) -> None:
        self.loop.save_model(path)

    def _free(self) -> None:
        loop = self.__dict__.pop("loop", None)
        if loop is not None:
            loop.remove()


class CNN(ImageTrainable):
    """The convolutional network."""

    kind = "cnn"


class MLP(ImageTrainable):
    """The dense network."""

    kind = "mlp"
