"""The one exception that this package raises on purpose."""


class AdapterError(ValueError):
    """A base model, an adapter or a layout is not what it should be; the text says what to do."""

    tellable = True  # see client_app.refusals
