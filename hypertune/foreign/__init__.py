"""Results that other tools have recorded, as one table of strategy, seed and value; without Ray or torch."""
