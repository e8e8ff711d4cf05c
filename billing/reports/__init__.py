"""What finance takes out of billing as files."""
