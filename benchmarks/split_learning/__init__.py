"""What parties with other features of the same patients reach with few exchanges, beside split learning by batches."""
