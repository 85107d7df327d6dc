"""An Optuna user's objective, unchanged: a FixedTrial whose `report` goes to Ray Tune.

uv run python search_spaces/examples/optuna_objective.py
"""

from typing import Any

import optuna
from ray import tune
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from hypertune import compare

EPOCHS = 9
SPACE = {  # what the objective suggests; the upper bounds of Optuna's integers are included, those of randint are not
    "alpha": tune.loguniform(1e-6, 1e-1),
    "eta0": tune.loguniform(1e-4, 1e-1),
    "loss": tune.choice(["hinge", "log_loss", "perceptron"]),
    "batches": tune.randint(1, 9),
}


def objective(trial: optuna.trial.BaseTrial) -> float:
    data = load_digits(return_X_y=True)
    x, x_valid, y, y_valid = train_test_split(*data, test_size=0.25, stratify=data[1], random_state=0)
    model = SGDClassifier(
        alpha=trial.suggest_float("alpha", 1e-6, 1e-1, log=True),
        eta0=trial.suggest_float("eta0", 1e-4, 1e-1, log=True),
        loss=trial.suggest_categorical("loss", ["hinge", "log_loss", "perceptron"]),
        learning_rate="constant", random_state=0,
    )  # fmt: skip
    batches = trial.suggest_int("batches", 1, 8)
    for epoch in range(EPOCHS):
        for start in range(batches):
            model.partial_fit(x[start::batches], y[start::batches], classes=range(10))
        trial.report(model.score(x_valid, y_valid), epoch)
        if trial.should_prune():  # False: hypertune's schedulers stop trials
            raise optuna.TrialPruned
    return model.score(x_valid, y_valid)


class TuneTrial(optuna.trial.FixedTrial):
    def report(self, value: float, step: int) -> None:
        tune.report({"accuracy": value})


def train(config: dict[str, Any]) -> None:
    objective(TuneTrial(config))  # for one that never reports: return {"accuracy": objective(TuneTrial(config))}


if __name__ == "__main__":
    result = compare(
        trainable=train, space=SPACE, metric="accuracy", mode="max", max_epochs=EPOCHS, name="optuna_objective",
        strategies=["random", "optuna", "optuna+asha"], seeds=3, budget={"epochs": 90},
    )  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
