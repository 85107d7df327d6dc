"""How commands end."""

DONE = 0
PARTLY_FAILED = 1
"""The study ran to its end, and something in it failed; the table is written all the same."""
WRONG_INPUT = 2
"""One line on stderr says what is wrong and what would be right."""
INTERRUPTED = 130
"""Ctrl-C, SIGTERM, or a Ray that died; the study can be resumed."""
