"""What builds a node for a task: one recipe in a simulation, another at a hospital."""
