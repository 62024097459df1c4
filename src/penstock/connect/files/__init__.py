"""Files that grow, read as they grow."""
