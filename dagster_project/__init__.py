"""When things happen: Dagster assets, checks, schedules and sensors over the functions of pipelines and training."""
