"""Output folders on disk or at a URL, and retries while they cannot be written."""

from hypertune.storage.storage import Place, Storage, StorageError

__all__ = ["Place", "Storage", "StorageError"]
