"""The demonstration: four customers, four plan kinds, real agents, from the device to a paid invoice."""
