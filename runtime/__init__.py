"""The edge: runs a quantized model on a device and remembers, provably, what it used."""
