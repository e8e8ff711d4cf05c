"""Makes the nano models that ship with the runtime; needs its own requirements.txt, the runtime does not."""
