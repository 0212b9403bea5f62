"""Videos whose every label is known, and how far curation is from it."""
