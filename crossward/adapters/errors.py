"""The one exception that this package raises on purpose."""


class AdapterError(ValueError):
    """A base model, an adapter or a layout is not what it should be; the text says what to do."""

    tellable = True  # see client_app.guard.refusals


class LocalFilesError(AdapterError):
    """Files that ``model.name`` or ``lora.bases`` names are missing, unsound or of something else.

    Both are paths of the run's choice. What is, or is not, on a hospital's disk is not for whoever chose them, so one
    text is reported for all.
    """

    reported = (
        "AdapterError: what model.name or lora.bases names cannot be used on this hospital's machine; the reason is in "
        "the hospital's own log"
    )
