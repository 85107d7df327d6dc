"""What each program in this folder does: it searches a function with a library alone, in the library's environment.

It is given a JSON object and prints the best value of the search with each of `seeds`, a line each, as soon as it is
found.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from functions import DOMAINS, FUNCTIONS, GUESSES, rounded

task = json.loads(sys.argv[1])
problem, searcher = task["problem"], task["searcher"]
trials, epochs = task["trials"], task["epochs"]
domains, guesses = DOMAINS[problem], GUESSES[problem] if task["prior"] else {}


def value(config, epoch=None):
    """The value after `epoch` of `epochs` epochs; after the last one unless given."""
    return FUNCTIONS[problem](rounded(config, problem), 1.0 if epoch is None else epoch / epochs)


def run(search) -> None:
    """Prints the best values of all seeds."""
    out, sys.stdout = sys.stdout, sys.stderr
    for seed in task["seeds"]:
        print(float(search(seed)), file=out, flush=True)
