"""What is posed: parametric bodies behind one class, their regions and points, and the user's own SMPL-X."""
