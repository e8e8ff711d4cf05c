"""The history of the tables of metering."""
