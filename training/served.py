"""What MLflow runs to load a registered version ("models from code")."""

from training.tracking import serve

serve()
