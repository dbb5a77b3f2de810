"""What the parties of a vertical run learn: bottom models, the label holder's top model, students that predict alone.

Arrays in, arrays out. A run of it, one exchange, without a network::

    own, other = open_bottom("notes", hospital, settings, base), open_bottom("table", laboratory, settings)
    own.represent(seed)
    other.represent(seed)
    blocks = Blocks.scatter(len(own), [Part(rows_at_hospital, other.embed(rows_at_laboratory))])
    joint = JointModel(own, blocks.widths, TopSettings(), seed)
    joint.train(blocks, labels, split, seed)
    joint.predict(blocks, split.test)

Not for: who sends what to whom, and in which envelope.
"""
