"""What a simulated run will take in memory and time, found out before anything is trained."""
