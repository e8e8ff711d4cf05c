"""Amounts that other billing systems publish, each asked of our rating: an oracle that we did not compute."""
