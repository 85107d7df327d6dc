"""XGBoost, reporting after every boosting round through Ray's own callback; ASHA and HyperBand stop or pause trials.

uv run --with xgboost python search_spaces/examples/xgboost_rounds.py
"""

from typing import Any

import xgboost as xgb
from ray import tune
from ray.tune.integration.xgboost import TuneReportCheckpointCallback
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from hypertune import compare

ROUNDS = 50
SPACE = {
    "eta": tune.loguniform(1e-2, 1),
    "max_depth": tune.randint(1, 9),
    "min_child_weight": tune.loguniform(0.1, 10),
    "subsample": tune.uniform(0.5, 1.0),
    "lambda": tune.loguniform(1e-3, 10),
}


def train(config: dict[str, Any]) -> None:
    x, x_valid, y, y_valid = train_test_split(*load_breast_cancer(return_X_y=True), test_size=0.25, random_state=0)
    checkpoint, booster = tune.get_checkpoint(), None
    if checkpoint:  # a trial that HyperBand had paused goes on from here
        booster = TuneReportCheckpointCallback.get_model(checkpoint)
    report = TuneReportCheckpointCallback(metrics={"logloss": "valid-logloss"}, frequency=1, checkpoint_at_end=False)
    xgb.train(
        {**config, "objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1, "seed": 0},
        xgb.DMatrix(x, y),
        num_boost_round=ROUNDS - (booster.num_boosted_rounds() if booster else 0),
        evals=[(xgb.DMatrix(x_valid, y_valid), "valid")],
        verbose_eval=False,
        xgb_model=booster,
        callbacks=[report],
    )


if __name__ == "__main__":
    result = compare(
        trainable=train, space=SPACE, metric="logloss", mode="min", max_epochs=ROUNDS, name="xgboost_rounds",
        strategies=["random", "asha", "hyperband"], seeds=3, budget={"epochs": 400},
    )  # fmt: skip
    print(result.conclusion)
    print("best configuration:", result.best.config)
    print("report:", result.folder / "report.html")
