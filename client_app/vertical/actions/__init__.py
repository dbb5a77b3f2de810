"""What a party does in a step: functions of a party and a turn, which read its mail and folder, send and report.

A function is one of what is on disk: done again after a kill, it does the same. ``client_app.vertical.registry`` has
them by the name of the step.
"""
