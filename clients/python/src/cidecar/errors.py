# SPDX-License-Identifier: Apache-2.0
"""The errors that this package raises on purpose."""

from __future__ import annotations


class CidecarError(Exception):
    """Base of all errors of this package.

    ``code`` is a word of cidecar's catalogue of errors (core/errors.ts).
    """

    code = "INTERNAL"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ArgumentError(CidecarError, ValueError):
    """An argument is out of its range; the message names it."""

    code = "ARGUMENT_INVALID"


class SidecarUnavailableError(CidecarError):
    """The sidecar cannot be reached, does not answer, or refused.

    ``errno`` and ``path`` are those of the system's refusal, where it was the system that refused;
    ``status`` is the gRPC status of the sidecar's, where it was the sidecar.
    """

    code = "SIDECAR_UNAVAILABLE"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errno: int | None = None,
        path: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.errno = errno
        self.path = path
        self.status = status


class ContractError(CidecarError):
    """The sidecar sent what cannot be used. The Session is given up, and tried again."""

    code = "SIDECAR_UNAVAILABLE"


class LeaseExhaustedError(CidecarError):
    """Every counter of a lease was used."""

    code = "NONCES_EXHAUSTED"
