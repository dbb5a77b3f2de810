"""What encryption costs: bytes, speed, memory, beside float32 and CKKS."""
