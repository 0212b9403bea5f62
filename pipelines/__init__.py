"""What happens to data: curation, synthesis, shards, evaluation, reports. Knows no orchestrator."""
