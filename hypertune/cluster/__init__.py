"""Sends studies to a Ray cluster as jobs through its dashboard, follows them, and fetches their results."""
