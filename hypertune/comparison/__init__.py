"""Pure functions from records to the comparison table, statistics and conclusions; never imports Ray or torch."""
