"""Everything that defines a comparison: the study file, designs of experiments and hypotheses."""

from hypertune.study.file import Budget, Logging, Resources, Training
from hypertune.study.study import Study

__all__ = ["Budget", "Logging", "Resources", "Study", "Training"]
