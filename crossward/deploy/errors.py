"""What is wrong with a deployment's files or surroundings."""


class DeployError(RuntimeError):
    """The message names the file or address, what was expected, and what to do."""
