"""Every error a person may see is an AppError whose text is a sentence they can act on."""


class AppError(Exception):
    """What was asked could not be done; the message says why and what to do."""

    exit_code = 1


class UsageError(AppError):
    """The request itself is malformed (a folder named '..', k = 0)."""

    exit_code = 2


class ConfigError(AppError):
    """The configuration cannot work; carries every problem found, one a line."""

    exit_code = 78


class ImageError(AppError):
    """These bytes are no picture we can index; the message is the reason, without a file name."""


class NotIndexed(AppError):  # noqa: N818 - it reads as the sentence it is
    """There is no such picture in the index."""

    def __init__(self) -> None:
        super().__init__("This picture is not in the index.")


class BusyError(AppError):
    """Too much is being asked at the moment; the same request succeeds a little later."""


class DecoderError(AppError):
    """The decoder was ended from outside, twice: which says nothing about the picture."""


class ModelError(AppError):
    """The model or its weights cannot be had or do not fit."""


class StoreError(AppError):
    """The index cannot be read or written at the moment."""


class StoreAwayError(StoreError):
    """The index lies on a server that does not answer, or not to us: waiting helps."""
