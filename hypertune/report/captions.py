"""What stands above and below each figure."""

from __future__ import annotations

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
    "rank_correlation": "Do early epochs foretell late ones?",
    "importance": "Which hyperparameters decide?",
}
CAPTIONS = {
    "anytime_epochs": (
        "Mean over seeds of the best value found so far, with its 95 % bootstrap band (with more than six strategies "
        "only that of random search and of the best one); a curve begins where all seeds have one. Dotted: the target. "
        "Double-click shows the whole range."
    ),
    "anytime_seconds": (
        "The same over wall-clock seconds since the sweep began, with waiting and the searcher's own thinking in it. A "
        "strategy that is ahead here but not above wins by keeping the workers busy."
    ),
    "final": "One faint dot per seed; large marks are means with 95 % bootstrap intervals.",
    "cost": (
        "Bars are means, ticks single sweeps. An idle worker waits for the searcher, for the trials of a bracket, or "
        "for the sweep's last trials to end."
    ),
    "timeline": (
        "One lane per worker. The records name no worker: spans are laid out in order of their start. Hatched trials "
        "were stopped early."
    ),
    "tried": "Best value of each trial in the order in which its sweep tried it. Crosses were stopped early.",
    "learning": "One line per trial; dotted ones were stopped early.",
    "parallel": (
        "One line per trial from hyperparameter to hyperparameter to its value. Early-stopped trials are dotted and "
        "grey: their values are of fewer epochs and are not ranked with the others. Click the legend to hide a group."
    ),
    "pair": (
        "Dots are completed trials, coloured by value; grey crosses were stopped early and have no colour. The ground "
        "is the mean of the completed trials in each field, and empty where there is none."
    ),
    "rank_correlation": (
        "Spearman's correlation of the trials' order after each epoch with their order after the last, over completed "
        "trials, with its 95 % interval."
    ),
    "importance": (
        "PED-ANOVA over the completed trials of all strategies: how much a hyperparameter decides whether a trial is "
        "among the best tenth (of few trials: among the best five)."
    ),
}
WIDE = ("learning", "tried", "parallel", "timeline")
"""Figures that keep a least width and scroll sideways on a phone."""
