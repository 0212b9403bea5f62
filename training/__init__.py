"""How the model learns: torch, with Ray only in launch.py and MLflow only in tracking.py."""
