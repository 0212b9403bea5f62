"""What models are worth. New code of `training` that judges lies here; `evaluate`, `compare` and `rival` are to follow.

Read `checkpoint_worth` first: it judges a training that has not ended.
"""
