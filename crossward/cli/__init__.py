"""The command ``crossward``: one file a command, which reads its options and calls what does the work.

A command imports what it needs when it runs: ``--help`` costs no import of torch or Flower, and what an aggregator
starts imports no module that holds a key.
"""
