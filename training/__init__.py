"""How the model learns: torch, with Ray only in launch.py and MLflow only in a few modules around tracking.py."""
