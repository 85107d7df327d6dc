"""Exit codes of the commands."""

DONE = 0
PARTLY_FAILED = 1
"""The study ran to its end but something in it failed; the table is still written."""
WRONG_INPUT = 2
"""One line on stderr says what is wrong and how to correct it."""
INTERRUPTED = 130
"""Ctrl-C, SIGTERM, or Ray died; the study can be resumed."""
