"""Time and bytes to a target: AsyncHybrid and its rivals on the virtual clock."""
