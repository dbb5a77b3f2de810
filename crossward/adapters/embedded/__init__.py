"""The base model that ships with the app, as text: ``model.json``.

A Flower app bundle (FAB) carries Python and text files only and at most 10 MiB, so the 1 M weights are
base64 text. They are unpacked on first use into an ordinary Hugging Face folder and loaded from there: simulation
and deployment take the same route as any other model, and need neither an account nor a network.
`scripts/pretrain.py` makes the file.

Not for: loading the model (see ``crossward.adapters.base``).
"""

from crossward.adapters.embedded.pack import pack_model
from crossward.adapters.embedded.unpack import MODEL_JSON, unpack_model

__all__ = ["MODEL_JSON", "pack_model", "unpack_model"]
