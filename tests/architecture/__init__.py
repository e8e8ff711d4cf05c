"""What the house must look like, whatever is built in it."""
