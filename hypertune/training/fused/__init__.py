"""Trains several configurations at once: their weights are stacked, and one step trains them all."""
