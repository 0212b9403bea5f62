"""`python -m pipelines.cli`, which finds the code that is there, not the one that is installed."""

from pipelines.cli import main

main()
