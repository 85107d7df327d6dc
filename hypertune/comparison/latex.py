"""The comparison table for a paper: a booktabs table that compiles on its own with `\\input`."""

from __future__ import annotations

from hypertune.comparison.assessment import Assessment
from hypertune.comparison.numbers import MISSING
from hypertune.comparison.readable import readable
from hypertune.comparison.wording import sentences
from hypertune.storage.printable import printable

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", MISSING: "--", "\n": " ",
}  # fmt: skip
WIDE = ("verdict", "best configuration")
"""Columns of running text: only the other formats have them, since a paper's table has no room."""


def to_latex(assessment: Assessment) -> str:
    """A `table` environment with the conclusion's first sentence as its caption; it needs `\\usepackage{booktabs}`."""
    table = readable(assessment).drop(columns=list(WIDE))
    lines = [
        " & ".join(escape(cell) for cell in row) + r" \\" for row in [list(table.columns), *table.to_numpy().tolist()]
    ]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs} and \usepackage{graphicx}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(sentences(assessment)[0])}}}",
            rf"  \label{{tab:{label(assessment.records.study.name)}}}",
            r"  \resizebox{\linewidth}{!}{%",
            rf"  \begin{{tabular}}{{l{'r' * (table.shape[1] - 1)}}}",
            r"    \toprule",
            f"    {lines[0]}",
            r"    \midrule",
            *(f"    {line}" for line in lines[1:]),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def escape(text: str) -> str:
    """`text` with every character that LaTeX reads as a command made to print as itself."""
    return "".join(_ESCAPES.get(sign, sign) for sign in printable(text))


def label(name: str) -> str:
    """A study's name as a label: LaTeX takes these characters as they are."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-.") else "-" for sign in name)
