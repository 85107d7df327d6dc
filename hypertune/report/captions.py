"""Titles and captions of the figures."""

from __future__ import annotations

import plotly.graph_objects as go

TITLES = {
    "anytime_epochs": "How good after how many epochs",
    "anytime_seconds": "How good after how many seconds",
    "final": "Where the sweeps ended",
    "cost": "Wall-clock and utilisation",
    "timeline": "Trials on workers",
    "tried": "What each strategy tried, in order",
    "learning": "Learning curves",
    "parallel": "All hyperparameters",
    "pair": "Two hyperparameters",
    "rank_correlation": "Do early epochs predict late ones?",
    "importance": "Which hyperparameters matter?",
    "scatter": "Each hyperparameter by itself",
    "heatmap": "Heatmap of two factors",
    "cells": "The configurations",
    "trade_off": "Accuracy, training time and model size",
}
CAPTIONS = {
    "anytime_epochs": (
        "Mean over seeds of the best value found so far (the incumbent). The shaded bands are 95 % t-intervals of the "
        "mean, of the strategy with the best mean and of the recommended one; those of the others appear in the HTML "
        "report when the pointer is on their line. A curve begins where all seeds have a value. Dotted line: the mean "
        "that random search ends at, or without it the worst strategy."
    ),
    "anytime_seconds": (
        "Mean over seeds of the best value found so far (the incumbent) over wall-clock seconds since the sweep began, "
        "including waiting and the searcher's computation; bands as above. A strategy that is ahead here but not over "
        "epochs wins by keeping the workers busy."
    ),
    "final": "One faint dot per seed; large marks are means with 95 % t-intervals.",
    "cost": (
        "Bars are means, ticks single sweeps. An idle worker waits for the searcher, for the trials of a bracket, or "
        "for the sweep's last trials to end."
    ),
    "timeline": (
        "One lane per worker. The records name no worker: spans are laid out in order of their start. Filled trials "
        "were completed; outlined ones were stopped early, failed, or are unfinished."
    ),
    "tried": (
        "Best value of each trial in the order in which its sweep tried it. Crosses were stopped early. Of more "
        "than 4,000 trials an even selection is drawn, here with the best of each strategy, and in the figures of "
        "hyperparameters."
    ),
    "learning": "One line per trial; dotted ones were stopped early.",
    "parallel": (
        "One line per trial from hyperparameter to hyperparameter to its value. Early-stopped trials are thin and "
        "grey: their values are of fewer epochs and are not ranked with the others. Click the legend to hide a group."
    ),
    "pair": (
        "Dots are completed trials, coloured by value; grey crosses were stopped early and have no colour. The "
        "background is the mean of the completed trials in each field, and empty where there are none."
    ),
    "rank_correlation": (
        "Spearman's correlation of the trials' order after each epoch with their order after the last, over completed "
        "trials, with its 95 % interval."
    ),
    "importance": (
        "PED-ANOVA over the completed trials of all strategies: how much a hyperparameter determines whether a trial "
        "is among the best tenth (of few trials: among the best five)."
    ),
    "scatter": (
        "One dot per completed trial; grey crosses were stopped early, and their values are of fewer epochs. Searchers "
        "other than random search cluster where results looked good, so only the dots of random search "
        "show the hyperparameter by itself."
    ),
    "heatmap": (
        "Mean of each cell over its seeds at the last epoch, with half the width of its 95 % interval where there is "
        "room; all other factors are averaged over. Every run trained in full; one that failed or "
        "diverged counts as the worst value of any run."
    ),
    "cells": "Means over seeds with 95 % t-intervals, the best 30; the star is the recommended one.",
    "trade_off": (
        "Full trainings only: one that was stopped early is cheap because it is unfinished. The larger a mark, the "
        "more weights. A configuration is on the front where no other one is at least as good in value, training time "
        "and number of weights, and better in one of them. The star is the recommended one of a design, the fastest "
        "to train within one standard error of the best; of strategies, the best training. Training times depend on "
        "this machine and its other load."
    ),
}
LEVEL_CAPTION = (
    "Small marks are single runs (crosses: failed or diverged, counted as the worst value), spread sideways by seed; "
    "the large ones are means with 95 % t-intervals over seeds."
)


def title_of(name: str) -> str:
    """The title of a figure, those of single factors among them."""
    if name.startswith("level-"):
        return f"By {name.removeprefix('level-')}"
    return TITLES[name]


def caption_of(name: str, chart: go.Figure) -> str:
    """The caption of a figure, with what is true of this one only."""
    general = LEVEL_CAPTION if name.startswith("level-") else CAPTIONS[name]
    own = (chart.layout.meta or {}).get("note")
    return f"{general} {own}" if own else general


WIDE = ("learning", "tried", "parallel", "timeline")
"""Figures that keep a least width and scroll sideways on a phone."""
