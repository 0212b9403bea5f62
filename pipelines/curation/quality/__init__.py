"""How good a clip is: measures with units, and the first limit that it misses. docs/quality.md lists them all."""
