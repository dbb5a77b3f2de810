"""NVFlare's homomorphic encryption beside ours."""
