"""Tasks out, replies in: dispatch, admission, deadlines, bandwidth."""
