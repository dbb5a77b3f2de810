"""Who trains when, how updates are weighted and added. Nothing here can reach a key."""
