"""A store that can be away, for tests of what is done then."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from gitops.model.errors import StoreError
from gitops.ports import Store


class UnreliableStore:
    """Answers as `store` does, but raises StoreError while `is_away`; hand it on with `as_store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = False

    def as_store(self) -> Store:
        return cast(Store, self)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found
        method = cast(Callable[..., Awaitable[Any]], found)

        def called(*args: Any, **kwargs: Any) -> Any:
            if self.is_away:
                raise StoreError("the store is away")
            return method(*args, **kwargs)

        return called
