"""Things kept in memory for a while, each under a token that nobody can guess."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

TOKEN_BYTES = 18


class SessionStore(Generic[Item]):
    """A bounded store that forgets what is not used; threads may share it.

    Args:
      max_items: how many are kept; the one unused for longest makes room.
      expire_secs: an item that is not used for so long is forgotten.
      clock: gives the time in seconds, never going back.
    """

    def __init__(
        self, max_items: int, expire_secs: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_items = max_items
        self._expire_secs = expire_secs
        self._clock = clock
        self._lock = threading.Lock()
        self._items: OrderedDict[str, tuple[float, Item]] = OrderedDict()

    def add(self, item: Item) -> str:
        """Keeps an item and returns its token."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._expire()
            while len(self._items) >= self._max_items:
                self._items.popitem(last=False)
            self._items[token] = (self._clock(), item)
        return token

    def find(self, token: str) -> Item | None:
        """Returns the item of a token, or None if it is unknown or forgotten."""
        with self._lock:
            self._expire()
            if token not in self._items:
                return None
            _, item = self._items.pop(token)
            self._items[token] = (self._clock(), item)
        return item

    def remove(self, token: str) -> None:
        """Forgets the item of a token, if there is one."""
        with self._lock:
            self._items.pop(token, None)

    def __len__(self) -> int:
        """Returns how many items are kept."""
        with self._lock:
            self._expire()
            return len(self._items)

    def _expire(self) -> None:
        """Forgets what was not used for too long; the oldest come first."""
        oldest = self._clock() - self._expire_secs
        while self._items and next(iter(self._items.values()))[0] < oldest:
            self._items.popitem(last=False)
