"""Where output folders are, on disk or at a URL, and what happens while they cannot be written."""

from hypertune.storage.storage import Place, Storage, StorageError

__all__ = ["Place", "Storage", "StorageError"]
