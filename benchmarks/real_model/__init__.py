"""A real pretrained model on real notes through a whole simulated run: quality and cost."""
