"""When a request is sent again, and after how long."""

from __future__ import annotations

import datetime
import email.utils
from typing import TYPE_CHECKING

from containerlab.distribution import backoff

if TYPE_CHECKING:
    from containerlab.distribution.answer import Answer

__all__ = ["TRIES", "delay_s", "retry_after_s"]

TRIES = 5
_DROP_S, _BUSY_S, _MOST_S = 0.3, 3.0, 60.0
"""The first wait after a lost connection, and where the registry is busy; and what one waits for at most."""
_NOT_DONE = (429, 503)
"""The registry says that it did nothing: anything may be sent again."""
_PERHAPS_DONE = (408, 502, 504)


def delay_s(count: int, answer: Answer | None = None, is_repeatable: bool = True) -> float | None:
    """Return how long to wait after the `count`th try; None: it is not worth it.

    answer: what came; None when the connection was lost.
    """
    if answer is None:
        return backoff.delay_s(count, _DROP_S, _MOST_S)
    if not (answer.status in _NOT_DONE or (answer.status in _PERHAPS_DONE and is_repeatable)):
        return None
    asked_s = retry_after_s(answer.headers.get("Retry-After", ""))
    if asked_s is None:
        return backoff.delay_s(count, _BUSY_S, _MOST_S)
    return asked_s if asked_s <= _MOST_S else None


def retry_after_s(text: str, now: datetime.datetime | None = None) -> float | None:
    """Read Retry-After: seconds, or a date. Source: RFC 9110, 10.2.3.

    >>> retry_after_s("120"), retry_after_s("soon"), retry_after_s("-1")
    (120.0, None, None)
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - (now or datetime.datetime.now(datetime.UTC))).total_seconds())
