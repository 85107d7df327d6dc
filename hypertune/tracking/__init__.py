"""Logs every trial outside the records: configurations as TOML, TensorBoard, MLflow."""
