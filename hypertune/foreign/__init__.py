"""Results that other tools have recorded, as one table of strategy, seed and value; neither Ray nor torch."""
