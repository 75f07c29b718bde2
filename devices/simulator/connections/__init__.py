"""How a simulated device runs on the event loop, and what it is connected by."""
