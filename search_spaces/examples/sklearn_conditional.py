"""Which scikit-learn model, and its own hyperparameters: an SVM with the kernel's, or a random forest.

uv run python search_spaces/examples/sklearn_conditional.py
"""

from typing import Any

from ray import tune
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hypertune import compare

# An option that is a dictionary brings hyperparameters of its own: gamma is searched only where the kernel is rbf.
SPACE = {
    "model": tune.choice([
        {
            "name": "svm",
            "C": tune.loguniform(1e-2, 1e3),
            "kernel": tune.choice([
                {"name": "linear"},
                {"name": "rbf", "gamma": tune.loguniform(1e-4, 1)},
                {"name": "poly", "degree": tune.randint(2, 5), "coef0": tune.uniform(0, 2)},
            ]),
        },
        {
            "name": "forest",
            "n_estimators": tune.lograndint(10, 101),
            "max_features": tune.uniform(0.1, 1.0),
            "min_samples_leaf": tune.randint(1, 10),
        },
    ])
}  # fmt: skip


def build(config: dict[str, Any]) -> Any:
    own = dict(config["model"])
    if own.pop("name") == "forest":
        return RandomForestClassifier(**own, random_state=0)
    kernel = dict(own["kernel"])
    return make_pipeline(StandardScaler(), SVC(C=own["C"], kernel=kernel.pop("name"), **kernel))


def train(config: dict[str, Any]) -> dict[str, float]:
    scores = cross_val_score(build(config), *load_breast_cancer(return_X_y=True), cv=5, scoring="roc_auc")
    return {"roc_auc": scores.mean()}  # returned once: one epoch, so the budget counts trials


if __name__ == "__main__":
    result = compare(trainable=train, space=SPACE, metric="roc_auc", mode="max", max_epochs=1, name="svm_or_forest",
                     seeds=3, strategies=["random", "hyperopt", "optuna"], budget={"trials": 20})  # fmt: skip
    print(result.conclusion, f"best configuration: {result.best.config}", sep="\n")
    print("report:", result.folder / "report.html")
