"""Trains one trial: data sets, models, the training loop, and the trainable that Ray Tune runs."""

KERNELS = "libkernels.so"
"""The compiled kernels in this folder: no module of Python, and done without where they do not fit the machine."""
