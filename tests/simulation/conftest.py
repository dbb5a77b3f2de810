"""Flower is imported once, quietly: what its dependencies deprecate is no error of ours."""

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("flwr.serverapp")
    importlib.import_module("flwr.clientapp")
