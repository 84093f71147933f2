"""Why a registry refuses: errors that know the code of the specification and the status of HTTP.

Source: OCI distribution-spec 1.1, section Error Codes.
"""

from __future__ import annotations

from typing import NamedTuple

from containerlab import errors
from containerlab.oci.distribution import Code

__all__ = [
    "BlobUnknown",
    "BlobUploadInvalid",
    "BlobUploadUnknown",
    "Busy",
    "Changed",
    "Denied",
    "DigestInvalid",
    "Failed",
    "ManifestBlobUnknown",
    "ManifestInvalid",
    "ManifestUnknown",
    "NameInvalid",
    "NameUnknown",
    "OutOfOrder",
    "PageInvalid",
    "Refusal",
    "SizeInvalid",
    "StorageFull",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Unsupported",
    "UploadTimedOut",
    "refusal",
]


class BlobUnknown(errors.NotFound):
    status, code = 404, "BLOB_UNKNOWN"


class BlobUploadInvalid(errors.InvalidInput):
    status, code = 400, "BLOB_UPLOAD_INVALID"


class BlobUploadUnknown(errors.NotFound):
    status, code = 404, "BLOB_UPLOAD_UNKNOWN"


class Changed(errors.Conflict):
    """A tag is not what the client's If-Match or If-None-Match says."""

    status, code = 412, "DENIED"


class Denied(errors.NotPermitted):
    status, code = 403, "DENIED"


class DigestInvalid(errors.InvalidInput):
    status, code = 400, "DIGEST_INVALID"


class Failed(errors.LabError):
    """Something is wrong in here; the log has all of it."""

    status, code = 500, "UNSUPPORTED"


class ManifestBlobUnknown(errors.NotFound):
    status, code = 404, "MANIFEST_BLOB_UNKNOWN"


class ManifestInvalid(errors.InvalidInput):
    status, code = 400, "MANIFEST_INVALID"


class ManifestUnknown(errors.NotFound):
    status, code = 404, "MANIFEST_UNKNOWN"


class NameInvalid(errors.InvalidInput):
    status, code = 400, "NAME_INVALID"


class NameUnknown(errors.NotFound):
    status, code = 404, "NAME_UNKNOWN"


class OutOfOrder(errors.Conflict):
    """A chunk does not begin where the upload stands."""

    status, code = 416, "BLOB_UPLOAD_INVALID"

    def __init__(self, message: str, hint: str = "", *, upload_id: str, size: int) -> None:
        super().__init__(message, hint)
        self.upload_id, self.size = upload_id, size


class Busy(OutOfOrder):
    """Another request writes to the same upload."""


class PageInvalid(errors.InvalidInput):
    """A number of entries is none; there is no better code for it."""

    status, code = 400, "UNSUPPORTED"


class SizeInvalid(errors.InvalidInput):
    status, code = 400, "SIZE_INVALID"


class StorageFull(errors.Unavailable):
    status, code = 507, "DENIED"


class TooLarge(errors.InvalidInput):
    status, code = 413, "SIZE_INVALID"


class TooMany(errors.Unavailable):
    status, code = 429, "TOOMANYREQUESTS"

    def __init__(self, message: str, hint: str = "", *, retry_after_s: float) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class Unauthorized(errors.NotPermitted):
    """Who asks has not shown who they are, or has a token for something else.

    scope: what a token has to be asked for.
    """

    status, code = 401, "UNAUTHORIZED"

    def __init__(self, message: str, hint: str = "", *, scope: str = "") -> None:
        super().__init__(message, hint)
        self.scope = scope


class Unsupported(errors.Unsupported):
    status, code = 405, "UNSUPPORTED"


class UploadTimedOut(errors.TimedOut):
    status, code = 408, "BLOB_UPLOAD_INVALID"


class Refusal(NamedTuple):
    """What an error becomes on the wire."""

    status: int
    code: Code
    message: str
    """With the hint."""


_OTHERS: tuple[tuple[type[errors.LabError], int, Code], ...] = (
    (errors.NotFound, 404, "NAME_UNKNOWN"),
    (errors.NotPermitted, 403, "DENIED"),
    (errors.AlreadyExists, 409, "DENIED"),
    (errors.Conflict, 409, "DENIED"),
    (errors.DigestMismatch, 400, "DIGEST_INVALID"),
    (errors.InvalidInput, 400, "UNSUPPORTED"),
    (errors.Unsupported, 405, "UNSUPPORTED"),
    (errors.Unavailable, 503, "TOOMANYREQUESTS"),
    (errors.LabError, 503, "TOOMANYREQUESTS"),
)


def refusal(error: errors.LabError) -> Refusal:
    """Say what an error becomes on the wire; what comes from below the registry has the nearest code.

    >>> refusal(errors.AlreadyExists("the organisation lab exists"))[:2]
    (409, 'DENIED')
    """
    message = f"{error.message}: {error.hint}" if error.hint else error.message
    if code := getattr(error, "code", None):
        return Refusal(getattr(error, "status", 400), code, message)
    return next(Refusal(status, code, message) for kind, status, code in _OTHERS if isinstance(error, kind))
