"""The worker: wraps any Ray Tune trainable so that its process is reused between trials and warmed up in advance."""

from __future__ import annotations

import contextlib
import inspect
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.tune import Trainable
from ray.tune.result import DONE
from ray.tune.trainable import FunctionTrainable, wrap_function

from hypertune.storage.patience import patiently
from hypertune.tuning.printed import Printed, keep
from hypertune.tuning.ray_internals import reporting
from hypertune.tuning.remedies import described
from hypertune.tuning.reports import REPORT, Reader
from hypertune.tuning.seeding import seed_trial

FAILURE, TRACEBACK, LOG = "hypertune_failure", "hypertune_traceback", "hypertune_log"
"""Keys of the result that tells of a trial's error."""
MACHINERY = (str(Path(ray.__file__).parent), str(Path(__file__).parent))
"""Folders of the files whose frames say nothing of an error in a trainable."""
RESERVED = "__hypertune__"
"""Key in a trial's configuration for what the driver tells the worker; a user's trainable never sees it."""
BUILT_IN = "hypertune"
"""What a built-in trainable finds it under."""

WARM_UP = "warm_up"
"""Prefix of the ids of trials that only start a process."""
WARM_UP_STEP_S = 0.05
"""Seconds after which a warm worker asks again whether the others are up."""


def make_worker(trainable: type[Trainable] | Callable[..., Any], name: str = "") -> type[Trainable]:
    """Wraps a function or class trainable.

    The worker takes `RESERVED` out of the configuration: `warm_up` makes a trial that only starts the
    process, `seed` seeds Python's, numpy's and torch's global generators, so that a user's own trainable repeats. A
    built-in trainable (one with `kind`) is handed it as `config["hypertune"]`: it reads its seed and horizon there.

    Args:
        name: name of the study, shown by `ps` and Ray's dashboard.
    """
    base: Any = trainable if inspect.isclass(trainable) else wrap_function(trainable)
    built_in = hasattr(base, "needs_data")

    # Names with two underscores cannot collide with those of the class that is wrapped.
    class Worker(base):
        __warming = False
        __usable = False
        """Whether the base class has been set up and can be reset for the next trial."""
        __in_base = False
        """Whether the base class sets itself up: its `reset_config` may call `self.setup`, or the other way round."""
        __failure: dict[str, str] | None = None
        __setups: frozenset[str] = frozenset()
        """The attributes that the first trial's `setup` has made."""
        __lasting: frozenset[str] | None = None
        """The attributes that the constructors have made, Ray's before and after `setup`; None until they are done."""
        __printed: Printed | None = None
        """What the trial that is trained has printed; None while there is none."""
        __reader = Reader(built_in=built_in)
        __result: dict[str, Any] = {}  # noqa: RUF012 -- replaced, never changed
        """What a class trainable returned last, as it did."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.__lasting = frozenset(vars(self)) - self.__setups

        def __repr__(self) -> str:
            return f"worker of {name or 'a study'}"  # a process trains many trials; its tasks have their names

        @classmethod
        def default_resource_request(cls, config: dict[str, Any]) -> None:
            """Asked of the trainable itself by `placement`; Ray would not take both."""

        def setup(self, config: dict[str, Any], **parameters: Any) -> None:
            if self.__in_base:
                super().setup(config, **parameters)
                return
            self.__parameters = parameters
            before = frozenset(vars(self))
            self.__begin(config)
            self.__setups = frozenset(vars(self)) - before

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            if self.__in_base:
                return bool(super().reset_config(new_config))
            self.__begin(new_config)
            return True

        def __begin(self, config: dict[str, Any]) -> None:
            told = config.get(RESERVED, {})
            _make_patient(self._storage)
            self.__keep_printed()
            self.__warming, self.__failure = bool(told.get("warm_up")), None
            if self.__warming:
                if built_in:
                    super().warm_up(**self.__parameters)
                return
            self.__printed, self.__printer = Printed(), self.trial_id
            self.__printed.begin()
            self.__reader = Reader(built_in=built_in, metric=told.get("metric"), time_attr=told.get("time_attr"))
            seed_trial(int(told.get("seed", 0)))
            config = {key: value for key, value in config.items() if key != RESERVED}
            if built_in:
                config[BUILT_IN] = told
            else:
                self.config = config  # a function trainable is called with this attribute
            self.__in_base = True
            try:
                self.__guarded(self.__set_up, config)
            finally:
                self.__in_base = False

        def __set_up(self, config: dict[str, Any]) -> None:
            if self.__usable and super().reset_config(config):
                return
            self.__discard()
            self.__forget()
            super().setup(config, **self.__parameters)
            self.__usable = True
            if issubclass(base, FunctionTrainable):
                # A report is read where it is made, so that an error in it shows the trainable's own line.
                reporting(lambda result: self.__reader(result), self._storage)

        def step(self) -> Any:
            if self.__warming:
                time.sleep(WARM_UP_STEP_S)
                return {}
            result = None if self.__failure else self.__guarded(self.__step)
            return {DONE: True, **self.__failure} if self.__failure else result

        def __step(self) -> dict[str, Any]:
            result: Any = super().step()
            if not issubclass(base, FunctionTrainable):
                result, self.__result = self.__reader(result), result
            told = result.get(REPORT)
            if told is not None and told.epoch is None:
                # Ray's count goes on from a checkpoint, and begins anew where a trial does.
                result = {**result, REPORT: told._replace(epoch=self._iteration + 1)}
            return dict(result)

        def log_result(self, result: dict[str, Any]) -> None:
            super().log_result({**self.__result, **{name: result[name] for name in result if name != REPORT}})

        def train_buffered(self, *limits: float) -> Any:
            """Trains several epochs and returns their results together, limited by number and by seconds.

            Ray 2.60's controller passes the number first, but its own method takes the seconds first. They can be told
            apart: the seconds are at most one, and the number is more than one.
            """
            return super().train_buffered(min(limits), int(max(limits)))

        def load_checkpoint(self, checkpoint: Any) -> Any:
            # Ray restores a trial without asking whether it could be set up.
            return None if self.__failure else super().load_checkpoint(checkpoint)

        def save_checkpoint(self, checkpoint_dir: Any) -> Any:
            return patiently(partial(super().save_checkpoint, checkpoint_dir), f"checkpoint {checkpoint_dir}")

        def __guarded(self, call: Callable[..., Any], *arguments: Any) -> Any:
            """Converts an error of the trainable to a result; raised, it would end the process, which is slow to
            replace."""
            try:
                return call(*arguments)
            except Exception as error:  # noqa: BLE001 -- whatever a user's code raises is reported as the trial's failure
                self.__failure = {FAILURE: described(_raised(error)), TRACEBACK: _users_traceback(error)}
                self.__discard()
                self.__failure[LOG] = self.__keep_printed()
                return None

        def __keep_printed(self) -> str:
            """Writes the trial's printed output; returns its path within the output folder."""
            printed, self.__printed = self.__printed, None
            return keep(self._storage, self.__printer, printed.text()) if printed is not None else ""

        def __forget(self) -> None:
            """Removes what an earlier trial's `setup` and `step` have left in the object, as if it were a new one."""
            if issubclass(base, FunctionTrainable) or self.__lasting is None:
                return
            for attribute in [name for name in vars(self) if name not in self.__lasting]:
                if not attribute.startswith("_Worker__"):
                    delattr(self, attribute)

        def __discard(self) -> None:
            """Cleans up the base class, ignoring its exceptions, since the error has already been reported."""
            if self.__usable:
                self.__usable = False
                with contextlib.suppress(Exception):
                    super().cleanup()

        def cleanup(self) -> None:
            if self.__usable:
                super().cleanup()
            self.__keep_printed()

    Worker.__name__ = Worker.__qualname__ = ":".join(filter(None, (name, getattr(trainable, "__name__", "trainable"))))
    return Worker


def _make_patient(storage: Any) -> None:
    """Makes a worker wait for a storage that fails temporarily, which would otherwise fail the trial.

    Ray raises a RuntimeError if the storage has changed, e.g. because it is no longer mounted.
    """
    if storage is None or "persist_current_checkpoint" in vars(storage):
        return
    persist = storage.persist_current_checkpoint
    storage.persist_current_checkpoint = lambda checkpoint: patiently(
        partial(persist, checkpoint), f"checkpoint {storage.checkpoint_fs_path}", errors=(OSError, RuntimeError)
    )


def reusable(trainable: type[Trainable] | Callable[..., Any]) -> bool:
    """Whether a process can run another trial: always for functions, for classes if they define `reset_config`."""
    own = getattr(trainable, "reset_config", None)
    return not inspect.isclass(trainable) or own is not Trainable.reset_config


def _users_traceback(error: BaseException) -> str:
    """The traceback with the trainable's own causes, without the calling frames of Ray and of this file."""
    told = whole = traceback.TracebackException.from_exception(_raised(error))
    while told is not None:
        users = [frame for frame in told.stack if not frame.filename.startswith(MACHINERY)]
        if users:
            told.stack = traceback.StackSummary.from_list(users)
        told = told.__cause__ or told.__context__  # type: ignore[assignment]
    return "".join(whole.format())


def _raised(error: BaseException) -> BaseException:
    """The exception of the trainable itself: Ray wraps those from the thread of a function trainable."""
    while error.__cause__ is not None and type(error).__module__.startswith("ray."):
        error = error.__cause__
    return error
