"""The records of a study, written while it runs and read by every comparison and report."""

from hypertune.records.records import Records, read

__all__ = ["Records", "read"]
