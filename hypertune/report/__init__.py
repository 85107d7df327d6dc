"""Figures, the HTML report and the Markdown report of a study, from its records and the comparison."""
