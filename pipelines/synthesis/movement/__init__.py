"""What people do: joints, motions, their limits and grounds, and motions of the user's own."""
