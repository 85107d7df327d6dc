"""The facts of a study, written as it runs and read by everything that is concluded from it."""

from hypertune.records.records import Records, read

__all__ = ["Records", "read"]
