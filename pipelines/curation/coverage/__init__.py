"""What people do in the clips, and how often."""
