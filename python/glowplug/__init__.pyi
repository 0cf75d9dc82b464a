from .hooks import after_thaw as after_thaw
from .hooks import before_freeze as before_freeze

__all__ = ["__version__", "after_thaw", "before_freeze", "freeze_point"]

__version__: str

def freeze_point() -> None: ...
