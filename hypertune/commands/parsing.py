"""Errors in a command's arguments, each in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from hypertune.commands.exit_codes import WRONG_INPUT
from hypertune.storage.printable import printable

LONGEST_ERROR = 500
"""Characters."""


class Parser(argparse.ArgumentParser):
    """Reports an error in one line; `--help` shows the usage."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does it, which would take `--option=--` for an option without a value."""
        for text in sys.argv[1:] if args is None else args:
            if text.startswith("--") and text.endswith("=--"):
                self.error(f"argument {text.removesuffix('=--')}: -- is not a value")
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Ends the program."""
        self.exit(WRONG_INPUT, f"{one_line(f'{self.prog}: {message}')}; see {self.prog} --help\n")


def one_line(error: object) -> str:
    """What is wrong, on one line that fits a screen, whatever names it quotes."""
    text = printable(" ".join(str(error).split()))
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR // 2]} ... {text[-LONGEST_ERROR // 2 + 5 :]}"
