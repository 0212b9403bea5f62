"""How well curation decides on real people, whose joints, heads and hands were labelled by hand."""
