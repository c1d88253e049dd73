"""What can be done with tiers."""

from tiers.operations._gathering import Measured, gathered

__all__ = ["Measured", "gathered"]
