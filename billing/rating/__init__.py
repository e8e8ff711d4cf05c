"""Rating: turns quantities into charges; pure, shared by the invoice and every preview of it."""
