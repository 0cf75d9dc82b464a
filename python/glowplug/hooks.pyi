from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["after_thaw", "before_freeze"]

_F = TypeVar("_F", bound=Callable[..., Any])

def before_freeze(function: _F, /, *args: Any, **kwargs: Any) -> _F: ...
def after_thaw(function: _F, /, *args: Any, **kwargs: Any) -> _F: ...
