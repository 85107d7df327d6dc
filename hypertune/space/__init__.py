"""Search spaces: named hyperparameters and their domains. Only `from_ray` knows Ray's own domains."""

from hypertune.space.space import Config, Parameter, Space

__all__ = ["Config", "Parameter", "Space"]
