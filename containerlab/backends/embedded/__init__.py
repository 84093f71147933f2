"""The embedded engine: no daemon, no root; the store and the runtime of this package."""

from containerlab.backends.embedded.backend import Embedded

__all__ = ["Embedded"]
