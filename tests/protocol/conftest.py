"""Flower is imported once, quietly: what its dependencies deprecate is no error of ours."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import flwr.app
    import flwr.clientapp
    import flwr.serverapp  # noqa: F401
