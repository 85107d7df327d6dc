"""Convolution with pooling on a processor, compiled from C; see the README of this folder."""

LIBRARY_NAME = "libkernels.so"
"""The compiled kernels in this folder: no module of Python, and done without where they do not fit the machine."""
SWITCH = "HYPERTUNE_KERNELS"
"""The environment variable that switches them off with 0."""
