"""Text of a user's, shown so that it neither steers a terminal nor reads otherwise than it is written."""

from __future__ import annotations

import re

CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Characters that steer a terminal, reverse the direction of text, end a line, or cannot be written as UTF-8; without
tab and newline."""
_CONTROL = re.compile(f"[{CONTROLS}]")


def printable(text: str) -> str:
    """`text` with its control characters shown as in Python's source, e.g. `\\x1b`."""
    return _CONTROL.sub(escaped, text)


def escaped(found: re.Match[str]) -> str:
    """The one character that was found, as in Python's source."""
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
