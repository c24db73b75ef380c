"""What shows and tells how networks work."""
