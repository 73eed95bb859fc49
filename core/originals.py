"""The file behind a row, if it still holds what is indexed."""

import os

from core.config import Config
from core.errors import AppError, ImageError
from core.paths import path_bytes
from core.reader import ChangingError, read_content
from core.records import ImageRecord, file_stamp


class OriginalAway(AppError):  # noqa: N818 - it reads as the sentence it is
    """The file itself cannot be had now."""

    def __init__(self) -> None:
        super().__init__(
            "The file of this picture cannot be read at the moment, or has just changed."
        )


def read_original(config: Config, record: ImageRecord) -> bytes:
    """The bytes that were indexed; OriginalAway unless the file still holds exactly them."""
    folder = config.roots[record.place.root]
    file = os.path.join(os.fsencode(folder), path_bytes(record.place.path))
    try:
        stamp = file_stamp(os.lstat(file))
        content = read_content(folder, record.place, stamp, config.images.max_megabytes)
    except (OSError, ChangingError, ImageError):
        raise OriginalAway from None
    if content.digest != record.digest:
        raise OriginalAway
    return content.data
