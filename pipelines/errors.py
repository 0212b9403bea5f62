"""The four ways in which work fails, so that every caller treats them alike.

`DataError`       one item is bad: it is quarantined with the message and the others go on.
`TransientError`  one item cannot be had now: it is quarantined until the next run and the others go on.
`WorkError`       the work cannot go on (disk full, missing manifest): the stage stops, exit code 1.
`UsageError`      the caller asked for something impossible: exit code 2.

Every message is one sentence that says what is wrong, where, and what to do.
"""

import errno


class UnimotionError(Exception):
    """Base of the errors whose message is meant for the user."""


class DataError(UnimotionError):
    """One item of data is bad for good; trying again would not help."""


class TransientError(UnimotionError):
    """One item of data cannot be had for a reason that may pass (a network, an expired link)."""


class WorkError(UnimotionError):
    """The work as a whole cannot go on."""


class UsageError(UnimotionError):
    """The command or the configuration is wrong."""


def one_line(text: str) -> str:
    """A message as a single printable line: a hostile file name can neither break it nor steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.strip())


_FATAL = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose a writable --workspace",
    errno.EACCES: "permission denied; choose a --workspace that you may write to",
    errno.EPERM: "permission denied; choose a --workspace that you may write to",
}


def explain_os_error(error: OSError, where: str) -> WorkError | None:
    """Turn an `OSError` that no later item would survive into a `WorkError`; None for any other."""
    if error.errno not in _FATAL:
        return None
    return WorkError(f"{error.filename or where}: {_FATAL[error.errno]}")
