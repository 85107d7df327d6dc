"""Trains one trial: data sets, models, the training loop, and the trainable that Ray Tune runs."""
