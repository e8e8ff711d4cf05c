"""What can be wrong with a bundle so that nothing more can be said about it.

BundleError    the bundle, a file of it or a field cannot be read
"""


class BundleError(Exception):
    """Part of a bundle cannot be read; the message names the file, and the field."""
