"""Search spaces: named hyperparameters and their domains. Ray's own domains are known to `from_ray` alone."""

from hypertune.space.space import Config, Parameter, Space

__all__ = ["Config", "Parameter", "Space"]
