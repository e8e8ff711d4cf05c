"""The commands of `python -m runtime`, one module each; they alone read arguments, environment and clocks."""
