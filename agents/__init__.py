"""Knows who acts: customers, members, devices, agents, keys and seats, and lets their usage in."""
