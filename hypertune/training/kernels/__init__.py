"""Convolution with pooling on a processor, compiled from C; see the README of this folder."""

LIBRARY_NAME = "libkernels.so"
"""The compiled kernels in this folder, a plain shared library; optional, for machines that can run them."""
SWITCH = "HYPERTUNE_KERNELS"
"""The environment variable that disables them when set to 0."""
