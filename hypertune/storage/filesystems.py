"""The file systems behind URLs: pyarrow's own and, for all other schemes, those of fsspec."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypertune.storage.bounded import REQUEST_S


def opened(url: str) -> tuple[Any, str]:
    """The `pyarrow.fs.FileSystem` of a URL, and the path in it.

    Raises:
        ValueError: if nobody knows the scheme, or another package is needed for it.
    """
    from pyarrow.fs import FileSystem

    try:
        filesystem, path = FileSystem.from_uri(url)
    except ValueError as error:
        if "Unrecognized filesystem type" not in str(error):
            raise
        filesystem, path = _by_fsspec(url)
    return with_timeouts(filesystem), path.rstrip("/")


def _by_fsspec(url: str) -> tuple[Any, str]:
    import fsspec
    from fsspec.dircache import DirCache
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:  # its message names the package
        raise ValueError(f"{error}") from None
    # Listings would be kept for ever, and tell the size of a file as it was before another machine replaced it.
    if isinstance(getattr(filesystem, "dircache", None), DirCache):
        filesystem.dircache.use_listings_cache = False
        filesystem.invalidate_cache()
    return PyFileSystem(FSSpecHandler(filesystem)), str(path)


def with_timeouts(filesystem: Any) -> Any:
    """A pyarrow file system whose own requests end, too: those of S3 and Google's would try for minutes where nothing
    answers."""
    seconds = REQUEST_S / 4
    limits: dict[str, dict[str, Any]] = {
        "S3FileSystem": dict.fromkeys(("connect_timeout", "request_timeout"), seconds),
        "GcsFileSystem": {"retry_time_limit": timedelta(seconds=seconds)},
    }
    if type(filesystem).__name__ not in limits:
        return filesystem
    make, (options,) = filesystem.__reduce__()
    return make({**options, **limits[type(filesystem).__name__]})


def entries(filesystem: Any, folder: str) -> list[tuple[str, bool]]:
    """The files and folders in a folder: the name of each, and whether it is a file; none if there is no folder."""
    from pyarrow.fs import FileSelector

    folder = folder.rstrip("/")
    # Google's storage shows folders only by the files that are in them.
    everything = FileSelector(folder, allow_not_found=True, recursive=filesystem.type_name == "gcs")
    found: dict[str, bool] = {}
    for info in filesystem.get_file_info(everything):
        name, below, _ = info.path.removeprefix(f"{folder}/").partition("/")
        found[name] = info.is_file and not below
    return sorted(found.items())


def output_stream(filesystem: Any, path: str) -> Any:
    """A stream that writes a file, in a folder that need not exist."""
    try:
        return filesystem.open_output_stream(path)
    except FileNotFoundError:  # object stores need no folders, others do
        filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        return filesystem.open_output_stream(path)
