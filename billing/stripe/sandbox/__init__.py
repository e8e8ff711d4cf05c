"""A local, stateful stand-in for the Stripe endpoints that Agentmeter uses; see README.md."""
