"""Private set intersection: speed, bytes and memory, beside OpenMined's."""
