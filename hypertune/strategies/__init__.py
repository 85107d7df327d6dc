"""Searchers and schedulers, one file per algorithm, and the registry that pairs them into strategies."""
